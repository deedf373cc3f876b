// How long a backend takes for a layer of an encoder; and when it is so much slower than another that it is given up
// before it costs its user seconds, as a GPU in software would.

import type { Backend } from '@flashmla/tensor';
import { EncoderLayer } from './encoder-layer.ts';

/** The time of one layer, or why there is none. */
export type LayerTime = { readonly layerMs: number } | { readonly tooSlow: string };

/** Queued together, as a model's layers are: what submitting and reading take is shared by them. */
const layersPerRun = 4;
const mostRuns = 3;
/** Runs are repeated for this long at most. */
const mostMs = 150;
/** Who takes so many times the best is given up … */
const patience = 4;
/** … but not for less than this: a GPU that is waited for after each op takes a few ms however fast it is. */
const leastLimitMs = 20;
/** A shader that is compiled can't be interrupted, only left alone. Drivers take up to a second for one. */
const mostCompileMs = 1500;

/**
 * The least time of a layer in a few runs, compiling and all that happens once apart.
 *
 * @param tokens length of the input
 * @param bestMs what the best backend takes for a layer so far; Infinity = this is the first
 */
export async function timeLayer(backend: Backend, tokens: number, bestMs: number): Promise<LayerTime> {
  const limitMs = Math.max(patience * bestMs, leastLimitMs);
  const slow = { tooSlow: `more than ${Math.round(limitMs)} ms` };
  const unready = { tooSlow: `more than ${mostCompileMs / 1000} s to begin` };
  const compileMs = bestMs === Number.POSITIVE_INFINITY ? bestMs : mostCompileMs;
  const layer = new EncoderLayer(backend, tokens);
  try {
    if (!(await within(compileMs, layer.projection()))) return unready;
    if (4 * (await elapsedMs(() => layer.projection())) > limitMs) return slow;
    if (!(await within(compileMs, layer.run(1)))) return unready;
    if ((await elapsedMs(() => layer.run(1))) > limitMs) return slow;
    let leastMs = Number.POSITIVE_INFINITY;
    const start = performance.now();
    for (let run = 0; run < mostRuns && performance.now() - start < mostMs; run++) {
      leastMs = Math.min(leastMs, await elapsedMs(() => layer.run(layersPerRun)));
    }
    return { layerMs: leastMs / layersPerRun };
  } finally {
    layer.dispose();
    backend.resetPeak();
  }
}

async function elapsedMs(work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** Whether `work` was done in time. What comes of it later is of no interest. */
async function within(limitMs: number, work: Promise<void>): Promise<boolean> {
  const done = work.then(() => true);
  if (limitMs === Number.POSITIVE_INFINITY) return done;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), limitMs);
  });
  try {
    return await Promise.race([done, late]);
  } finally {
    clearTimeout(timer);
  }
}
