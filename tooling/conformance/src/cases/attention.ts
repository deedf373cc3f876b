// What the cases of dense and sparse attention share.

import {
  type AttentionDimensions,
  type DenseAttentionProblem,
  headsStrides,
  type NumberArray,
  reference,
  type SparseAttentionProblem,
} from '@flashmla/tensor';
import type { Inputs } from '../case.ts';
import type { Random } from '../random.ts';

export function attentionOf(dimensions: Partial<AttentionDimensions>): AttentionDimensions {
  const { queries = 62, headDim = 32 } = dimensions;
  return {
    batch: 1,
    heads: 2,
    queries,
    keys: queries,
    headDim,
    layout: 'heads-first',
    scale: 1 / Math.sqrt(headDim),
    mask: false,
    causal: false,
    ...dimensions,
  };
}

/** What the forward op gives for these inputs, as a forward pass would hand it to the gradient op. */
export function addForwardOutputs(forward: DenseAttentionProblem | SparseAttentionProblem, inputs: Inputs): void {
  const { output, lse } = reference(forward, inputs);
  Object.assign(inputs, { output: Float32Array.from(output!), lse: Float32Array.from(lse!) });
}

/** 12 MiB of keys and values: more than a kernel may keep at hand at once. */
export const manyLongHeads = { batch: 2, heads: 3, queries: 18, keys: 2050, headDim: 128 } as const;

/** How a case's name tells its sizes. */
export function describeAttention(p: AttentionDimensions): string {
  const sizes = `${p.batch}×${p.heads}×${p.queries}×${p.keys}×${p.headDim}`;
  return [sizes, p.layout === 'tokens-first' && 'tokens first', p.mask && 'mask', p.causal && 'causal']
    .filter(Boolean)
    .join(', ');
}

/** Sets the features of one key (or value) of one head. */
export function setToken(p: AttentionDimensions, array: NumberArray, row: number, token: number, value: number): void {
  const stride = headsStrides(p.layout, p.heads, p.keys, p.headDim);
  const start = Math.floor(row / p.heads) * stride.batch + (row % p.heads) * stride.head + token * stride.token;
  array.fill(value, start, start + p.headDim);
}

/**
 * Logits from −1e4 to 1e4 (scale must be 1), no two of a query nearer than 100: their exponentials overflow and vanish
 * unless the largest is taken out, and the answer does not hang on float32's rounding of such numbers.
 */
export function hugeLogits(p: AttentionDimensions, inputs: Inputs, random: Random): void {
  const step = Math.floor(20000 / p.keys);
  inputs.query!.fill(0);
  inputs.key!.fill(0);
  for (let row = 0; row < p.batch * p.heads; row++) {
    const order = random.permutation(p.keys);
    const at = (tokens: number, token: number) => (row * tokens + token) * p.headDim;
    for (let query = 0; query < p.queries; query++) inputs.query![at(p.queries, query)] = query % 2 === 0 ? 1 : -1;
    for (let key = 0; key < p.keys; key++) inputs.key![at(p.keys, key)] = order[key]! * step - 1e4;
  }
}
