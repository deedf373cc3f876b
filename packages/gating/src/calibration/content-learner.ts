// Learning the maps of a ContentGate's head: attention estimated by softmax(scale · (q·A)·(k·B)ᵀ).

import type { Backend } from '@flashmla/tensor';
import { massOfTop } from '../mass-of-top.ts';
import { addTransposedProduct, product, productOfTransposed, rowsAt, softmaxRows } from '../matrix.ts';
import { attentionAt, type HeadInputs } from './attention-rows.ts';
import { divergence, type HeadLearner, range } from './head-learner.ts';

export interface ContentExample {
  /** [rows, headDim] */
  readonly queries: Float64Array;
  /** [keys, headDim] */
  readonly keys: Float64Array;
  /** Dense attention, [rows, keys]. */
  readonly attention: Float64Array;
  readonly scale: number;
  /** Keys that a list holds. */
  readonly k: number;
}

/** @param rows queries to look at */
export async function contentExample(
  backend: Backend,
  inputs: HeadInputs,
  rows: readonly number[],
  k: number,
): Promise<ContentExample> {
  const { headDim, scale } = inputs;
  const keys = Float64Array.from(inputs.keys);
  const attention = await attentionAt(backend, inputs, rows);
  return { queries: rowsAt(Float64Array.from(inputs.queries), headDim, rows), keys, attention, scale, k };
}

export class ContentLearner implements HeadLearner<ContentExample> {
  readonly start: Float64Array;
  readonly #headDim: number;
  readonly #rank: number;

  /** @param start A [headDim, rank], then B [headDim, rank] */
  constructor(start: Float64Array, headDim: number) {
    this.start = start;
    this.#headDim = headDim;
    this.#rank = start.length / (2 * headDim);
  }

  rowsOf({ queries }: ContentExample): number {
    return queries.length / this.#headDim;
  }

  loss(parameters: Float64Array, example: ContentExample, rows: readonly number[], gradient?: Float64Array): number {
    const { keys, scale } = example;
    const keyCount = keys.length / this.#headDim;
    const queries = rowsAt(example.queries, this.#headDim, rows);
    const target = rowsAt(example.attention, keyCount, rows);
    const { queryFeatures, keyFeatures, scores } = this.#scores(parameters, queries, keys, scale);
    const estimate = softmaxRows(scores, keyCount);
    const loss = divergence(target, estimate) / rows.length;
    if (gradient) {
      // d loss / d score = (estimate − target) / rows
      const byScore = estimate.map((value, i) => ((value - target[i]) * scale) / rows.length);
      const byQuery = product(byScore, keyFeatures, keyCount);
      const byKey = new Float64Array(keyFeatures.length);
      addTransposedProduct(byKey, byScore, queryFeatures, keyCount);
      const half = parameters.length / 2;
      addTransposedProduct(gradient.subarray(0, half), queries, byQuery, this.#headDim);
      addTransposedProduct(gradient.subarray(half), keys, byKey, this.#headDim);
    }
    return loss;
  }

  recall(parameters: Float64Array, { queries, keys, attention, scale, k }: ContentExample): number {
    const keyCount = keys.length / this.#headDim;
    const { scores } = this.#scores(parameters, queries, keys, scale);
    const rows = range(scores.length / keyCount);
    const mass = rows.reduce((sum, row) => {
      const [start, end] = [row * keyCount, (row + 1) * keyCount];
      return sum + massOfTop(scores.subarray(start, end), attention.subarray(start, end), k);
    }, 0);
    return mass / rows.length;
  }

  #scores(parameters: Float64Array, queries: Float64Array, keys: Float64Array, scale: number) {
    const half = parameters.length / 2;
    const queryFeatures = product(queries, parameters.subarray(0, half), this.#headDim);
    const keyFeatures = product(keys, parameters.subarray(half), this.#headDim);
    const scaled = queryFeatures.map((value) => scale * value);
    const scores = productOfTransposed(scaled, keyFeatures, this.#rank);
    return { queryFeatures, keyFeatures, scores };
  }
}
