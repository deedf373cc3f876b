// Fitting the gate spaces of a layer's heads to sample texts, without training.
//
// Host arithmetic in float64, head by head, in slices that leave the event loop room.

import { breather, FlashMLAError } from '@flashmla/tensor';
import { type GateSpace, type HeadMaps, joinHeads } from './gate-space.ts';
import { solveHead } from './head-solution.ts';
import { centred, MomentSum } from './moments.ts';
import { type HeadText, rankByRecall, widestRank } from './rank-choice.ts';
import { recommendK } from './recommend-k.ts';

/** Queries and keys of one text, as a layer computes them. */
export interface FitSample {
  /** [queries, heads, headDim]; as many queries as tokens, but for cross-attention. */
  query: Float32Array;
  /** [tokens, heads, headDim] */
  key: Float32Array;
  tokens: number;
  /** Tokens of the whole text where these are only some of its keys; default: `tokens`. */
  sampledFrom?: number;
}

export interface FitDimensions {
  heads: number;
  headDim: number;
  /** Of the logits; default 1/√headDim. */
  scale?: number;
}

export interface FitOptions {
  /** Fixes the rank of all heads; default: chosen per head. */
  rank?: number | undefined;
  /** Keys a query selects, which decides how many dimensions are enough; default `recommendK` of each text. */
  k?: number | undefined;
  signal?: AbortSignal | undefined;
}

/** The gate space that serves `samples` best; see head-solution.ts and `rankByRecall`. */
export async function fitSamples(
  samples: readonly FitSample[],
  { heads, headDim, scale = 1 / Math.sqrt(headDim) }: FitDimensions,
  { rank, k, signal }: FitOptions,
): Promise<GateSpace> {
  checkSamples(samples, heads, headDim);
  const breathe = breather(signal);
  const fitted: HeadMaps[] = [];
  for (let head = 0; head < heads; head++) {
    const texts: HeadText[] = [];
    const queryMoments = new MomentSum(headDim);
    const keyMoments = new MomentSum(headDim);
    for (const sample of samples) {
      const queries = rowsOfHead(sample.query, heads, headDim, head);
      queryMoments.add(queries);
      await breathe();
      const keys = rowsOfHead(sample.key, heads, headDim, head);
      keyMoments.add(centred(keys, headDim));
      texts.push({ queries, keys, k: keysToFind(sample, k) });
      await breathe();
    }
    const count = (which: 'queries' | 'keys') => texts.reduce((sum, text) => sum + text[which].length / headDim, 0);
    const moments = { query: queryMoments.matrix(count('queries')), key: keyMoments.matrix(count('keys')) };
    const solution = await solveHead(moments, Math.min(rank ?? widestRank(headDim), headDim), breathe);
    const chosen = rank ?? (await rankByRecall(solution, texts, headDim, scale, breathe));
    fitted.push({ ...solution, rank: Math.min(chosen, solution.width) });
    await breathe();
  }
  return joinHeads(headDim, fitted);
}

/** Keys of a sample that the lists of its text would hold; a sample of some of the keys holds its share of them. */
function keysToFind({ tokens, sampledFrom = tokens }: FitSample, k = recommendK(sampledFrom)): number {
  return Math.max(1, Math.round((k * tokens) / sampledFrom));
}

/** One head's rows of [rows, heads, headDim], as [rows, headDim]. */
function rowsOfHead(values: Float32Array, heads: number, headDim: number, head: number): Float64Array {
  const count = values.length / (heads * headDim);
  const rows = new Float64Array(count * headDim);
  for (let row = 0; row < count; row++) {
    const start = (row * heads + head) * headDim;
    rows.set(values.subarray(start, start + headDim), row * headDim);
  }
  return rows;
}

function checkSamples(samples: readonly FitSample[], heads: number, headDim: number): void {
  const row = heads * headDim;
  for (const { query, key, tokens } of samples) {
    if (key.length === tokens * row && query.length % row === 0 && tokens > 0 && query.length > 0) continue;
    throw new FlashMLAError(
      'invalid-argument',
      `[gating] content: a sample has ${query.length} query and ${key.length} key values for ${tokens} tokens; expected ` +
        `[tokens, ${heads}, ${headDim}] for both, with at least one token.`,
    );
  }
  if (samples.length === 0) {
    throw new FlashMLAError(
      'invalid-argument',
      '[gating] content: no samples to fit on; give the queries and keys of at least one text, or use fitFromWeights.',
    );
  }
}
