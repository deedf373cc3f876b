// From how many tokens on sparse attention is faster than dense: measured, on the device at hand.
//
// Below the crossover dense wins: it runs through its keys in order, and there is no gate to pay for. Where it lies
// depends on the kernels, the threads, the heads and the gate, so both ways are timed on synthetic inputs, at sizes no
// longer than the input that asks: a short text never waits for a long measurement. Figures are kept per device
// (@flashmla/backend, `measured`), so that all layers of a model and later processes share them.

import { type Contest, type Timing, timing } from './contest.ts';
import type { AttentionKind } from './statistics.ts';

export interface Choice {
  readonly chosen: AttentionKind;
  /** In words, with the figures it rests on. */
  readonly why: string;
}

/** Times dense and sparse attention at so many tokens. */
export type Stopwatch = (contest: Contest, tokens: number) => Promise<Timing>;

const sizes = [128, 256, 512, 1024, 2048];
/** Sparse must be this much faster to count as faster: what is within the noise stays exact. */
const margin = 0.95;

/** Chooses by a crossover the caller gave: dense below it. */
export function chooseByCrossover(tokens: number, crossover: number): Choice {
  return tokens < crossover
    ? { chosen: 'dense', why: `${tokens} tokens are fewer than the given crossover of ${crossover}` }
    : { chosen: 'sparse', why: `${tokens} tokens reach the given crossover of ${crossover}` };
}

/**
 * Chooses by measurement: sparse from the smallest measured size on at which it is at least 5 % faster, gate included.
 * All sizes are measured with the k of this input, since k grows with the length: what holds for it at one size then
 * holds for it at any longer one.
 *
 * Beyond the largest size the two curves are extrapolated as powers of the length.
 */
export async function chooseByMeasurement(
  contest: Contest,
  tokens: number,
  stopwatch: Stopwatch = timing,
): Promise<Choice> {
  const timings: (Timing & { size: number })[] = [];
  for (const size of sizes) {
    if (size > tokens || contest.k >= size) continue;
    const { denseMs, sparseMs } = await stopwatch(contest, size);
    const times = (denseMs / sparseMs).toFixed(2);
    if (sparseMs <= margin * denseMs) {
      return { chosen: 'sparse', why: `sparse measured ${times} times as fast as dense at ${size} tokens` };
    }
    timings.push({ size, denseMs, sparseMs });
  }
  const last = timings.at(-1);
  if (!last) return { chosen: 'dense', why: `${tokens} tokens are too few for sparse to be faster` };
  const measuredAt = `sparse measured ${(last.denseMs / last.sparseMs).toFixed(2)} times as fast as dense at ${last.size} tokens`;
  const crossover = extrapolate(timings);
  if (tokens >= crossover)
    return { chosen: 'sparse', why: `${measuredAt}, which extrapolates to faster from ${crossover} on` };
  return { chosen: 'dense', why: measuredAt };
}

/** Where sparse · margin meets dense if both go on growing as they did between the last two sizes; Infinity for never. */
function extrapolate(timings: readonly (Timing & { size: number })[]): number {
  const [before, last] = timings.slice(-2);
  if (!before || !last || last.size !== sizes.at(-1)) return Number.POSITIVE_INFINITY;
  const doublings = Math.log2(last.size / before.size);
  const gained = Math.log2((last.denseMs * before.sparseMs) / (before.denseMs * last.sparseMs)) / doublings;
  // Dense must gain on sparse by a fair part of a power of the length: less is noise, or a gate as costly as dense.
  if (!(gained >= 0.25)) return Number.POSITIVE_INFINITY;
  return Math.ceil(last.size * (last.sparseMs / (margin * last.denseMs)) ** (1 / gained));
}
