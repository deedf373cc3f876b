// content-order: a permutation of the tokens of each head that makes tokens of like content neighbours: the leaves of a
// balanced kd-tree over their gate-space points, from left to right (Bentley 1975).
//
// A node with more than `leaf` points is split along the dimension of largest variance (ties: the first) into the
// `half` points that are smallest there and the rest, half = ⌈⌊n/2⌋ / leaf⌉ · leaf; equal values keep token order. A leaf
// lists its tokens ascending. Absent tokens (mask 0) are left out of the tree and come last, ascending.

import { checkDimensions, float32, int32, type Op, uint8 } from './op.ts';

export interface ContentOrderProblem {
  readonly op: 'content-order';
  readonly batch: number;
  readonly heads: number;
  readonly tokens: number;
  readonly rank: number;
  readonly leaf: number;
  /** Whether an input `mask` [batch, tokens] says which tokens are present. */
  readonly mask: boolean;
}

export const contentOrder: Op<ContentOrderProblem> = {
  validate(p) {
    checkDimensions(p, 0, 'batch', 'tokens');
    checkDimensions(p, 1, 'heads', 'rank', 'leaf');
  },
  inputs: (p) => ({
    points: float32(p.batch, p.heads, p.tokens, p.rank),
    ...(p.mask && { mask: uint8(p.batch, p.tokens) }),
  }),
  outputs: (p) => ({ order: int32(p.batch, p.heads, p.tokens) }),
  flops(p) {
    const levels = Math.max(0, Math.ceil(Math.log2(p.tokens / p.leaf)));
    return p.batch * p.heads * p.tokens * levels * (3 * p.rank + 2);
  },
};
