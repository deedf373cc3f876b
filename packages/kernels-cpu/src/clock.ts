// A clock that reads the same on every thread, in milliseconds.

const { process } = globalThis;

/**
 * Where there is one, the monotonic clock of the system: the origins of `performance.now()` differ between threads, and
 * `performance.timeOrigin` is taken from the clock of the day, which may have been set between the starts of two threads.
 * Browsers promise that their origins fit together, but for what they round.
 */
export const nowMs: () => number = process?.hrtime?.bigint
  ? () => Number(process.hrtime.bigint()) / 1e6
  : () => performance.timeOrigin + performance.now();
