// Which of several backends is fastest: each is opened and timed, and all but the best are disposed again.

import {
  type Backend,
  type BackendName,
  type BackendProvider,
  FlashMLAError,
  type OpenOptions,
} from '@flashmla/tensor';
import { type LayerTime, timeLayer } from './time-layer.ts';
import { messageOf } from './unusable.ts';

/** What became of one backend. Plain data: it is kept. */
export type Outcome = { readonly name: BackendName } & (LayerTime | { readonly failure: string });

export interface Result {
  readonly outcomes: readonly Outcome[];
  /** The fastest, open; undefined when all failed. */
  readonly winner: Backend | undefined;
  /** What those that failed raised. */
  readonly errors: ReadonlyMap<BackendName, unknown>;
}

/**
 * Never more than two are open at once. One that fails is an outcome like others; an argument that is refused is not.
 *
 * @param providers the one that is ready soonest first
 * @param tokens length of the input they are timed with
 * @throws the signal's reason when it aborts; by then nothing is open any more
 */
export async function contest(
  providers: readonly BackendProvider[],
  tokens: number,
  options: OpenOptions,
): Promise<Result> {
  const { signal } = options;
  const outcomes: Outcome[] = [];
  const errors = new Map<BackendName, unknown>();
  let best: { readonly backend: Backend; readonly layerMs: number } | undefined;
  try {
    for (const provider of providers) {
      const { name } = provider;
      /** Not kept open: this one, or the one that it beats. */
      let spare: Backend | undefined;
      try {
        spare = await provider.open(options);
        signal?.throwIfAborted();
        const time = await unlessAborted(timeLayer(spare, tokens, best?.layerMs ?? Number.POSITIVE_INFINITY), signal);
        outcomes.push({ name, ...time });
        if ('layerMs' in time && !(best && best.layerMs <= time.layerMs)) {
          [best, spare] = [{ backend: spare, layerMs: time.layerMs }, best?.backend];
        }
      } catch (error) {
        signal?.throwIfAborted();
        if (isRefusedArgument(error)) throw error;
        outcomes.push({ name, failure: messageOf(error) });
        errors.set(name, error);
      } finally {
        await spare?.dispose();
      }
    }
  } catch (error) {
    await best?.backend.dispose();
    throw error;
  }
  return { outcomes, winner: best?.backend, errors };
}

/** What is wrong with an argument is wrong on every backend. */
export const isRefusedArgument = (error: unknown): boolean =>
  error instanceof FlashMLAError && error.code === 'invalid-argument';

/** Waits for `work` no longer than until the signal aborts. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  let stop = () => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop);
    // Starting the work took a moment too.
    if (signal.aborted) stop();
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
