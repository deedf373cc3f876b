// Learning a SlotGate's head. What the gate does is hard: a query goes to its best slot, a slot keeps its best tokens.
// What learns is soft: attention of token i to token j estimated by Σ_s a_is · b_sj, where a is the softmax of the token's
// scores over the slots, b the softmax of a slot's scores over the tokens.

import type { Backend } from '@flashmla/tensor';
import { massOfTop } from '../mass-of-top.ts';
import { addTransposedProduct, product, productOfTransposed, rowsAt, softmaxRows, transpose } from '../matrix.ts';
import { attentionAt, type HeadInputs } from './attention-rows.ts';
import { divergence, type HeadLearner } from './head-learner.ts';

export interface SlotExample {
  /** [tokens, modelDim] */
  readonly hidden: Float64Array;
  /** Tokens whose attention is looked at. */
  readonly queries: readonly number[];
  /** Dense attention, [queries, tokens]. */
  readonly attention: Float64Array;
  /** Tokens that a slot keeps. */
  readonly k: number;
}

export async function slotExample(
  backend: Backend,
  inputs: HeadInputs,
  hidden: Float64Array,
  queries: readonly number[],
  k: number,
): Promise<SlotExample> {
  const attention = await attentionAt(backend, inputs, queries);
  return { hidden, queries, attention, k };
}

export class SlotLearner implements HeadLearner<SlotExample> {
  readonly start: Float64Array;
  readonly #modelDim: number;
  readonly #slots: number;

  /** @param start weight [slots, modelDim], then bias [slots] */
  constructor(start: Float64Array, modelDim: number) {
    this.start = start;
    this.#modelDim = modelDim;
    this.#slots = start.length / (modelDim + 1);
  }

  rowsOf({ queries }: SlotExample): number {
    return queries.length;
  }

  loss(parameters: Float64Array, example: SlotExample, rows: readonly number[], gradient?: Float64Array): number {
    const slots = this.#slots;
    const { hidden } = example;
    const tokens = hidden.length / this.#modelDim;
    const queries = rows.map((row) => example.queries[row]);
    const target = rowsAt(example.attention, tokens, rows);
    const scores = this.#scores(parameters, hidden);
    const toSlot = softmaxRows(rowsAt(scores, slots, queries), slots); // a, [rows, slots]
    const inSlot = softmaxRows(transpose(scores, slots), tokens); // b, [slots, tokens]
    const estimate = product(toSlot, inSlot, slots);
    const loss = divergence(target, estimate) / rows.length;
    if (gradient) {
      const byEstimate = target.map((value, i) =>
        value > 0 ? -value / Math.max(estimate[i], Number.MIN_VALUE) / rows.length : 0,
      );
      const byToSlot = throughSoftmax(toSlot, productOfTransposed(byEstimate, inSlot, tokens), slots);
      const byInSlot = new Float64Array(inSlot.length);
      addTransposedProduct(byInSlot, toSlot, byEstimate, slots);
      const byScore = transpose(throughSoftmax(inSlot, byInSlot, tokens), tokens);
      for (const [i, token] of queries.entries()) {
        for (let slot = 0; slot < slots; slot++) byScore[token * slots + slot] += byToSlot[i * slots + slot];
      }
      addTransposedProduct(gradient.subarray(0, slots * this.#modelDim), byScore, hidden, slots);
      const bias = gradient.subarray(slots * this.#modelDim);
      for (let i = 0; i < byScore.length; i++) bias[i % slots] += byScore[i];
    }
    return loss;
  }

  recall(parameters: Float64Array, { hidden, queries, attention, k }: SlotExample): number {
    const slots = this.#slots;
    const tokens = hidden.length / this.#modelDim;
    const scores = this.#scores(parameters, hidden);
    const inSlot = transpose(scores, slots);
    let mass = 0;
    for (const [row, token] of queries.entries()) {
      const own = scores.subarray(token * slots, (token + 1) * slots);
      const best = own.indexOf(own.reduce((most, score) => Math.max(most, score)));
      const kept = inSlot.subarray(best * tokens, (best + 1) * tokens);
      mass += massOfTop(kept, attention.subarray(row * tokens, (row + 1) * tokens), k);
    }
    return mass / queries.length;
  }

  /** [tokens, slots] */
  #scores(parameters: Float64Array, hidden: Float64Array): Float64Array {
    const weights = this.#slots * this.#modelDim;
    const scores = productOfTransposed(hidden, parameters.subarray(0, weights), this.#modelDim);
    const bias = parameters.subarray(weights);
    for (let i = 0; i < scores.length; i++) scores[i] += bias[i % this.#slots];
    return scores;
  }
}

/** The derivative by a softmax's inputs, from that by its outputs; `outputs` [rows, columns]. */
function throughSoftmax(outputs: Float64Array, byOutput: Float64Array, columns: number): Float64Array {
  const byInput = new Float64Array(outputs.length);
  for (let start = 0; start < outputs.length; start += columns) {
    let mean = 0;
    for (let i = start; i < start + columns; i++) mean += outputs[i] * byOutput[i];
    for (let i = start; i < start + columns; i++) byInput[i] = outputs[i] * (byOutput[i] - mean);
  }
  return byInput;
}
