// sparse-attention: attention over the keys a Selection (../selection.ts) lists for each tile of queries, and over one
// stand-in key a residual group for the keys it does not list.
//
// Residual: for a tile, let U be the present keys of group g that the tile did not select, n = |U|, k̄ and v̄ their mean
// key and mean value. The group enters the softmax as one more key k̄ with logit scale·q·k̄ + ln n and value v̄ (after
// Multipole Attention, arXiv 2506.13059). lse counts the groups too. With no key and no group a query gives output 0 and
// lse −∞. Entries < 0 or past the end are ignored; a repeated entry counts once.

import { type AttentionDimensions, attentionInputs, attentionOutputs } from './dense-attention.ts';
import { ceilDivide, check, checkDimensions, int32, type Op } from './op.ts';

export interface SparseAttentionProblem extends AttentionDimensions {
  readonly op: 'sparse-attention';
  /** Queries that share a list. */
  readonly tileQueries: number;
  /** Keys an entry stands for. */
  readonly blockKeys: number;
  /** Entries of a list. */
  readonly slots: number;
  /** Whether an input `keyOrder` [batch, heads, keys] (position → key) orders the keys that blocks and groups are cut from. */
  readonly keyOrder: boolean;
  /** The same for queries and tiles. */
  readonly queryOrder: boolean;
  /** Keys of a residual group, a multiple of blockKeys; 0 = nothing stands in for what was not selected. */
  readonly residualGroup: number;
}

export const sparseAttention: Op<SparseAttentionProblem> = {
  validate(p) {
    checkDimensions(p, 0, 'batch', 'queries', 'keys', 'slots', 'residualGroup');
    checkDimensions(p, 1, 'heads', 'headDim', 'tileQueries', 'blockKeys');
    check(
      p,
      p.residualGroup % p.blockKeys === 0,
      `residualGroup ${p.residualGroup} is not a multiple of blockKeys ${p.blockKeys}.`,
    );
    check(
      p,
      !(p.causal && p.residualGroup > 0),
      'causal with residual groups is not supported; drop the residual (residualGroup: 0) or the causal mask.',
    );
  },
  inputs: (p) => ({
    ...attentionInputs(p),
    indices: int32(p.batch, p.heads, ceilDivide(p.queries, p.tileQueries), p.slots),
    ...(p.keyOrder && { keyOrder: int32(p.batch, p.heads, p.keys) }),
    ...(p.queryOrder && { queryOrder: int32(p.batch, p.heads, p.queries) }),
  }),
  outputs: attentionOutputs,
  flops(p) {
    const groups = p.residualGroup > 0 ? ceilDivide(p.keys, p.residualGroup) : 0;
    const keysPerQuery = Math.min(p.keys, p.slots * p.blockKeys) + groups;
    return 4 * p.batch * p.heads * p.queries * keysPerQuery * p.headDim;
  },
};
