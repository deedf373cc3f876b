// How many gate dimensions a head needs.

import { evenly } from './evenly.ts';
import type { HeadSolution } from './head-solution.ts';
import { massOfTop } from './mass-of-top.ts';
import { rowsAt, softmaxRows } from './matrix.ts';
import { addRowProducts } from './row-products.ts';

/** A text's queries and keys of one head, row-major [count, headDim]. */
export interface HeadText {
  readonly queries: Float64Array;
  readonly keys: Float64Array;
  /** Keys a query may select of these. */
  readonly k: number;
}

/** Attention mass a query that a gate's lists may miss of what the true top-k hold. */
const missableMass = 0.02;
const queriesPerText = 48;
/** Share of the logits' variance that maps fitted on weights alone must explain. */
const enoughVariance = 0.5;
/** Kernels work on panels of 8: fewer dimensions would cost as much and find less (rank 4: 99.9 % of SST-2, 8: all). */
const ranks: readonly number[] = [8, 16, 32];

/** The ranks that make sense for `headDim`, rising; never empty. */
function ranksFor(headDim: number): number[] {
  const fitting = ranks.filter((rank) => rank <= headDim);
  return fitting.length > 0 ? fitting : [headDim];
}

/** The largest rank that may be chosen for `headDim`. */
export const widestRank = (headDim: number): number => ranksFor(headDim).at(-1)!;

/**
 * The smallest rank whose lists hold, on the sample texts, as much attention as the true top-k lists but for 2 % of all
 * attention; the largest if none does. Up to 48 queries of each text are looked at, evenly spaced.
 *
 * Of all attention, not of what the top-k hold: where they hold little, the rest is the residual's, and finding a tenth of
 * little more is not worth the dimensions.
 */
export async function rankByRecall(
  solution: HeadSolution,
  texts: readonly HeadText[],
  headDim: number,
  scale: number,
  breathe: () => Promise<void>,
): Promise<number> {
  const probes: TextProbe[] = [];
  for (const text of texts) {
    probes.push(new TextProbe(solution, text, headDim, scale));
    await breathe();
  }
  const queries = sum(probes.map((probe) => probe.queryCount));
  const wanted = sum(probes.map((probe) => probe.trueMass)) - missableMass * queries;
  for (const rank of ranksFor(headDim)) {
    let found = 0;
    for (const probe of probes) {
      found += await probe.massAt(rank, breathe);
      await breathe();
    }
    if (found >= wanted) return rank;
  }
  return widestRank(headDim);
}

/**
 * Without samples: 8 dimensions where they explain half of the variance of the logits (Σ over the first r of σ² against
 * Σ over all, which is E[(q·k)²] for independent, centred q and k), else 16 where those do, else 32.
 */
export function rankBySpectrum({ singularValues }: HeadSolution, headDim: number): number {
  const largest = widestRank(headDim);
  const variance = (count: number) => sum(singularValues.slice(0, count).map((value) => value * value));
  const enough = ranks.find((rank) => variance(rank) >= enoughVariance * variance(headDim));
  return Math.min(enough ?? largest, largest);
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

/** The attention of some queries of a text, and their scores in a growing gate space. */
class TextProbe {
  readonly #solution: HeadSolution;
  /** [rows, headDim] */
  readonly #queries: Float64Array;
  /** [keys, headDim] */
  readonly #keys: Float64Array;
  readonly #headDim: number;
  readonly #k: number;
  readonly #keyCount: number;
  /** Softmax of the logits, [rows, keys]. */
  readonly #attention: Float64Array;
  /** Gate scores over the first `#rank` dimensions, [rows, keys]. */
  readonly #scores: Float64Array;
  #rank = 0;
  readonly queryCount: number;
  /** Attention mass of the true top-k, summed over the queries; 1 a query is all there is. */
  readonly trueMass: number;

  constructor(solution: HeadSolution, text: HeadText, headDim: number, scale: number) {
    this.#solution = solution;
    this.#queries = evenlySpacedRows(text.queries, headDim, queriesPerText);
    this.queryCount = this.#queries.length / headDim;
    this.#keys = text.keys;
    this.#headDim = headDim;
    this.#k = text.k;
    this.#keyCount = text.keys.length / headDim;
    this.#attention = attentionRows(this.#queries, text.keys, headDim, scale);
    this.#scores = new Float64Array(this.#attention.length);
    this.trueMass = this.#massBy(this.#attention);
  }

  /** Attention mass of the top-k by gate score at `rank`, summed over the queries. Ranks must be asked for in rising order. */
  async massAt(rank: number, breathe: () => Promise<void>): Promise<number> {
    const { queryMap, keyMap, width } = this.#solution;
    for (let dimension = this.#rank; dimension < rank; dimension++) {
      const queryFeatures = projectColumn(this.#queries, queryMap, width, dimension, this.#headDim);
      const keyFeatures = projectColumn(this.#keys, keyMap, width, dimension, this.#headDim);
      for (const [row, feature] of queryFeatures.entries()) {
        const start = row * this.#keyCount;
        for (let key = 0; key < this.#keyCount; key++) this.#scores[start + key] += feature * keyFeatures[key];
      }
      await breathe();
    }
    this.#rank = rank;
    return this.#massBy(this.#scores);
  }

  #massBy(scores: Float64Array): number {
    let mass = 0;
    for (let start = 0; start < scores.length; start += this.#keyCount) {
      const attention = this.#attention.subarray(start, start + this.#keyCount);
      mass += massOfTop(scores.subarray(start, start + this.#keyCount), attention, this.#k);
    }
    return mass;
  }
}

/** Up to `count` of the rows [rows, headDim], evenly spaced. */
function evenlySpacedRows(rows: Float64Array, headDim: number, count: number): Float64Array {
  const numbers = Array.from({ length: rows.length / headDim }, (_, row) => row);
  return rowsAt(rows, headDim, evenly(numbers, count));
}

/** softmax(scale · queries · keysᵀ), [queries, keys]. */
function attentionRows(queries: Float64Array, keys: Float64Array, headDim: number, scale: number): Float64Array {
  const queryCount = queries.length / headDim;
  const keyCount = keys.length / headDim;
  const attention = new Float64Array(queryCount * keyCount);
  for (let row = 0; row < queryCount; row++) {
    const logits = attention.subarray(row * keyCount, (row + 1) * keyCount);
    const query = queries.subarray(row * headDim, (row + 1) * headDim).map((value) => scale * value);
    addRowProducts(keys, query, logits);
  }
  return softmaxRows(attention, keyCount);
}

/** Each row's product with one column of a map [headDim, width]. */
function projectColumn(rows: Float64Array, map: Float64Array, width: number, column: number, headDim: number) {
  const features = new Float64Array(rows.length / headDim);
  const values = Float64Array.from({ length: headDim }, (_, d) => map[d * width + column]);
  addRowProducts(rows, values, features);
  return features;
}
