// What dense and sparse attention share: the softmax of one query over the keys it may attend to, and the loop over heads.

import type { AttentionDimensions } from '../ops/dense-attention.ts';
import { type Arrays, dot, type NumberArray, presence, type Rounding, type Row, rowsOf } from './arrays.ts';

/** Something a query may attend to: a key of the input, or a mean key that stands for `count` of them. */
export interface Candidate {
  readonly key: Row;
  readonly value: Row;
  readonly count: number;
}

/** One head of one batch entry. */
export interface Head {
  /** Counted over batch and heads. */
  readonly row: number;
  /** Each key as a candidate of its own. */
  readonly keys: readonly Candidate[];
  /** Whether a key is present in the mask. */
  readonly present: (key: number) => boolean;
  /** Whether a query may look at a key, by the mask and by causality. */
  readonly visible: (query: number, key: number) => boolean;
}

/**
 * output = Σ wⱼ·valueⱼ / Σ wⱼ and lse = ln Σ wⱼ with wⱼ = countⱼ · exp(scale · query·keyⱼ); the largest logit is taken
 * out of the exponentials. Without candidates output is 0 and lse −∞.
 */
function attend(
  query: Row,
  candidates: readonly Candidate[],
  scale: number,
  stored: Rounding,
): { output: Float64Array; lse: number } {
  const output = new Float64Array(query.length);
  if (candidates.length === 0) return { output, lse: Number.NEGATIVE_INFINITY };
  const logits = candidates.map(({ key, count }) => stored(scale * dot(query, key) + Math.log(count)));
  const largest = logits.reduce((a, b) => Math.max(a, b));
  const weights = logits.map((logit) => Math.exp(logit - largest));
  const sum = weights.reduce((a, b) => a + b);
  for (const [j, { value }] of candidates.entries()) {
    const weight = stored(weights[j] / sum);
    for (let i = 0; i < output.length; i++) output[i] += weight * value[i];
  }
  return { output: output.map(stored), lse: largest + Math.log(sum) };
}

/** Attention of every query of every head over the candidates that `candidatesOf` gives it. */
export function attention(
  p: AttentionDimensions,
  inputs: Arrays,
  stored: Rounding,
  candidatesOf: (head: Head) => (query: number) => readonly Candidate[],
): { output: Float64Array; lse: Float64Array } {
  const { layout, heads } = p;
  const output = new Float64Array(p.batch * heads * p.queries * p.headDim);
  const lse = new Float64Array(p.batch * heads * p.queries);
  for (let batch = 0; batch < p.batch; batch++) {
    const present = presence(p.mask ? inputs.keyMask : undefined, batch, p.keys);
    const visible = (query: number, key: number) => present(key) && (!p.causal || key <= query + (p.keys - p.queries));
    for (let head = 0; head < heads; head++) {
      const rows = (array: NumberArray, tokens: number) =>
        rowsOf(array, { layout, heads, tokens, features: p.headDim }, batch, head);
      const row = batch * heads + head;
      const queries = rows(inputs.query, p.queries);
      const outputs = rows(output, p.queries);
      const values = rows(inputs.value, p.keys);
      const keys = rows(inputs.key, p.keys).map((key, j) => ({ key, value: values[j], count: 1 }));
      const candidates = candidatesOf({ row, keys, present, visible });
      for (let query = 0; query < p.queries; query++) {
        const attended = attend(queries[query], candidates(query), p.scale, stored);
        outputs[query].set(attended.output);
        lse[row * p.queries + query] = attended.lse;
      }
    }
  }
  return { output, lse };
}
