// What dense and sparse attention share: the softmax of one query over the keys it may attend to, and the loop over heads.

import type { AttentionDimensions } from '../ops/dense-attention.ts';
import { type Arrays, dot, type NumberArray, presence, type Rounding, type Row, rowsOf } from './arrays.ts';

/** Something a query may attend to: a key of the input, or the mean of several that stands for them. */
export interface Candidate {
  readonly key: Row;
  readonly value: Row;
  /** The keys of the input that it stands for. */
  readonly members: readonly number[];
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
 * output = Σ wⱼ·valueⱼ / Σ wⱼ and lse = ln Σ wⱼ with wⱼ = |membersⱼ| · exp(scale · query·keyⱼ); the largest logit is taken
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
  const logits = candidates.map(({ key, members }) => stored(scale * dot(query, key) + Math.log(members.length)));
  const largest = logits.reduce((a, b) => Math.max(a, b));
  const weights = logits.map((logit) => Math.exp(logit - largest));
  const sum = weights.reduce((a, b) => a + b);
  for (const [j, { value }] of candidates.entries()) {
    const weight = stored(weights[j] / sum);
    for (let i = 0; i < output.length; i++) output[i] += weight * value[i];
  }
  return { output: output.map(stored), lse: largest + Math.log(sum) };
}

/** For each head, what each of its queries attends to. */
export type CandidatesOf = (head: Head) => (query: number) => readonly Candidate[];

/** Calls `body` with each head and what gives the rows of a tensor that belong to it. */
export function forEachHead(
  p: AttentionDimensions,
  inputs: Arrays,
  body: (head: Head, rows: (array: NumberArray, tokens: number) => Row[]) => void,
): void {
  const { layout, heads } = p;
  for (let batch = 0; batch < p.batch; batch++) {
    const present = presence(p.mask ? inputs.keyMask : undefined, batch, p.keys);
    const visible = (query: number, key: number) => present(key) && (!p.causal || key <= query + (p.keys - p.queries));
    for (let head = 0; head < heads; head++) {
      const rows = (array: NumberArray, tokens: number) =>
        rowsOf(array, { layout, heads, tokens, features: p.headDim }, batch, head);
      const values = rows(inputs.value, p.keys);
      const keys = rows(inputs.key, p.keys).map((key, j) => ({ key, value: values[j], members: [j] }));
      body({ row: batch * heads + head, keys, present, visible }, rows);
    }
  }
}

/** Attention of every query of every head over the candidates that `candidatesOf` gives it. */
export function attention(
  p: AttentionDimensions,
  inputs: Arrays,
  stored: Rounding,
  candidatesOf: CandidatesOf,
): { output: Float64Array; lse: Float64Array } {
  const output = new Float64Array(p.batch * p.heads * p.queries * p.headDim);
  const lse = new Float64Array(p.batch * p.heads * p.queries);
  forEachHead(p, inputs, (head, rows) => {
    const queries = rows(inputs.query, p.queries);
    const outputs = rows(output, p.queries);
    const candidates = candidatesOf(head);
    for (let query = 0; query < p.queries; query++) {
      const attended = attend(queries[query], candidates(query), p.scale, stored);
      outputs[query].set(attended.output);
      lse[head.row * p.queries + query] = attended.lse;
    }
  });
  return { output, lse };
}
