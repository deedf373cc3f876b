// What a profile is, and what backends share in taking one: one at a time, from a quiet backend to a quiet backend.
//
// How an op is timed is the backend's affair. A device or a thread that knows the time by itself is best; where none
// does, ClockedOps asks the host's clock when each op was seen to be done.

import type { Backend, Plan, Program } from './backend.ts';
import { FlashMLAError } from './errors.ts';
import type { Problem } from './ops/index.ts';

/** Milliseconds since the profile began. */
export interface Span {
  readonly startMs: number;
  readonly endMs: number;
}

/** One kernel of an op: a step of its plan. */
export interface KernelProfile extends Span {
  /** The kernel's or shader's name. */
  readonly name: string;
  /** When each thread was at it, for backends that compute on threads. */
  readonly threads?: readonly Span[];
}

/** One op that ran. */
export interface OpProfile extends Span {
  readonly problem: Problem;
  readonly plan: Plan;
  /** In order; empty where the backend times whole ops only. */
  readonly kernels: readonly KernelProfile[];
}

export interface Timing {
  /**
   * 'timestamps': the device's own clock; 'threads': the clock of each computing thread; 'clock': the host's, so that an
   * op's time holds what passes until the host sees that it is done.
   */
  readonly source: 'timestamps' | 'threads' | 'clock';
  /** The same in a sentence, with what it means for the figures. */
  readonly description: string;
}

export interface Profile<T> {
  /** What the work gave. */
  readonly result: T;
  /** From the beginning of the work until all that it dispatched was done. */
  readonly wallMs: number;
  readonly timing: Timing;
  /** In the order of dispatch. Ops that were skipped because their signal aborted are left out. */
  readonly ops: readonly OpProfile[];
}

/** Takes down the ops of one profile. */
export interface ProfileRecording {
  /** What was recorded, and how. Called when all of it is done. */
  finish(): Promise<Pick<Profile<unknown>, 'timing' | 'ops'>>;
}

/**
 * Ops from when their kernels ran, in the order of dispatch. An op without kernels takes no time, at the end of the one
 * before.
 */
export function opProfiles(
  ops: readonly { readonly program: Program; readonly kernels: readonly KernelProfile[] }[],
): OpProfile[] {
  let lastMs = 0;
  return ops.map(({ program: { problem, plan }, kernels }) => {
    const startMs = kernels[0]?.startMs ?? lastMs;
    lastMs = kernels.at(-1)?.endMs ?? lastMs;
    return { problem, plan, startMs, endMs: lastMs, kernels };
  });
}

/** A backend's `profile`, but for what is recorded. */
export class Profiler<Recording extends ProfileRecording> {
  readonly #source: string;
  readonly #backend: Pick<Backend, 'synchronize'>;
  #busy = false;
  #recording: Recording | undefined;

  /** @param source who speaks in its errors: '[kernels-cpu]' */
  constructor(source: string, backend: Pick<Backend, 'synchronize'>) {
    this.#source = source;
    this.#backend = backend;
  }

  /** Where ops go that are dispatched now; undefined while no profile is taken. */
  get recording(): Recording | undefined {
    return this.#recording;
  }

  /** @param begin makes the recording, when its times begin */
  async profile<T>(begin: () => Recording, work: () => Promise<T>): Promise<Profile<T>> {
    if (this.#busy) {
      throw new FlashMLAError(
        'invalid-argument',
        `${this.#source} a profile is being taken already; wait for it before taking another.`,
      );
    }
    this.#busy = true;
    try {
      // What was dispatched before is none of it.
      await this.#backend.synchronize();
      const startMs = performance.now();
      const recording = begin();
      this.#recording = recording;
      const result = await work();
      this.#recording = undefined;
      await this.#backend.synchronize();
      const wallMs = performance.now() - startMs;
      return { result, wallMs, ...(await recording.finish()) };
    } catch (error) {
      this.#recording = undefined;
      // The backend is left as quiet as after a profile; what else may have failed says less than the first error.
      await this.#backend.synchronize().catch(() => {});
      throw error;
    } finally {
      this.#busy = false;
    }
  }
}

/** A recording by the host's clock: an op takes from its dispatch, or the end of the op before, until it is seen done. */
export class ClockedOps implements ProfileRecording {
  readonly #description: string;
  readonly #originMs = performance.now();
  readonly #ops: OpProfile[] = [];
  /** When the last op added was seen done. */
  #previous: Promise<number> = Promise.resolve(0);

  /** @param description the timing's, see `Timing` */
  constructor(description: string) {
    this.#description = description;
  }

  /**
   * Adds an op that is dispatched now.
   *
   * @param done called when the op before is done; ends when this one is
   * @returns when it is done
   */
  async add({ problem, plan }: Program, done: () => Promise<void> | void): Promise<void> {
    const dispatchedMs = performance.now() - this.#originMs;
    const ended = this.#previous.then(async (previousMs) => {
      await done();
      const endMs = performance.now() - this.#originMs;
      this.#ops.push({ problem, plan, startMs: Math.max(dispatchedMs, previousMs), endMs, kernels: [] });
      return endMs;
    });
    // An op that failed is no op of the profile; what comes after it begins when that was seen.
    this.#previous = ended.catch(() => performance.now() - this.#originMs);
    await ended;
  }

  async finish(): Promise<Pick<Profile<unknown>, 'timing' | 'ops'>> {
    await this.#previous;
    return { timing: { source: 'clock', description: this.#description }, ops: this.#ops };
  }
}
