// select-top-k: for each tile of queries the `slots` key blocks that score highest in gate space.
//
// A tile's feature is the mean over its present queries (zeros without any), a block's the mean over its present keys,
// both cut in the given orders; score = tile · block (+ relativeBias[h, clamp(block − tile, ±span) + span]). Forced
// blocks come first: the first `forceFirst` blocks, and those within `forceDiagonal` − 1 of the tile's own number; the
// smaller numbers, if there are more than `slots`. Then the best of the rest; ties go to the smaller number. A block
// without a present key is never selected; causal: neither is a block whose first key lies after what the tile's last
// query sees (natural order only; query i sees keys up to i + (keys − queries)). The list is ascending, −1 fills what is
// left of it.
//
// With `headSlots` head h fills headSlots[h] of its slots, at least one and at most all: heads that need fewer keys leave
// them to others.
//
// Two levels (coarseBlocks > 0), for long inputs: coarse groups of coarseBlocks consecutive blocks are scored the same
// way, without the bias, and only the blocks of the `coarseSlots` best groups are scored at all (after DeepSeek's and
// Quest's coarse-to-fine indexers). Forced blocks need no coarse group.

import { ceilDivide, check, checkDimensions, float32, int32, type Op, uint8 } from './op.ts';

export interface SelectTopKProblem {
  readonly op: 'select-top-k';
  readonly batch: number;
  readonly heads: number;
  readonly queries: number;
  readonly keys: number;
  /** Features of a query or key in gate space. */
  readonly rank: number;
  readonly tileQueries: number;
  readonly blockKeys: number;
  readonly slots: number;
  /** Whether `headSlots` [heads] is given. */
  readonly headSlots: boolean;
  readonly keyOrder: boolean;
  readonly queryOrder: boolean;
  /** Whether `keyMask` [batch, keys] and `queryMask` [batch, queries] are given. */
  readonly mask: boolean;
  readonly causal: boolean;
  readonly forceFirst: number;
  /** 0 = none, 1 = the tile's own block, 2 = and its two neighbours, … */
  readonly forceDiagonal: number;
  /** Reach of the relative bias in blocks: relativeBias is [heads, 2·span + 1]; −1 = no bias. */
  readonly biasSpan: number;
  /** Blocks of a coarse group; 0 = one level. */
  readonly coarseBlocks: number;
  readonly coarseSlots: number;
}

export const selectTopK: Op<SelectTopKProblem> = {
  validate(p) {
    checkDimensions(
      p,
      0,
      'batch',
      'queries',
      'keys',
      'slots',
      'forceFirst',
      'forceDiagonal',
      'coarseBlocks',
      'coarseSlots',
    );
    checkDimensions(p, 1, 'heads', 'rank', 'tileQueries', 'blockKeys');
    checkDimensions(p, -1, 'biasSpan');
    check(
      p,
      !(p.causal && (p.keyOrder || p.queryOrder)),
      'causal selection needs the natural order of keys and queries.',
    );
    check(p, p.coarseBlocks === 0 || p.coarseSlots > 0, 'coarseSlots must be at least 1 with two levels.');
  },
  inputs: (p) => ({
    query: float32(p.batch, p.heads, p.queries, p.rank),
    key: float32(p.batch, p.heads, p.keys, p.rank),
    ...(p.keyOrder && { keyOrder: int32(p.batch, p.heads, p.keys) }),
    ...(p.queryOrder && { queryOrder: int32(p.batch, p.heads, p.queries) }),
    ...(p.mask && { keyMask: uint8(p.batch, p.keys), queryMask: uint8(p.batch, p.queries) }),
    ...(p.headSlots && { headSlots: int32(p.heads) }),
    ...(p.biasSpan >= 0 && { relativeBias: float32(p.heads, 2 * p.biasSpan + 1) }),
  }),
  outputs: (p) => ({ indices: int32(p.batch, p.heads, ceilDivide(p.queries, p.tileQueries), p.slots) }),
  flops(p) {
    const tiles = ceilDivide(p.queries, p.tileQueries);
    const blocks = ceilDivide(p.keys, p.blockKeys);
    const scored = p.coarseBlocks > 0 ? ceilDivide(blocks, p.coarseBlocks) + p.coarseSlots * p.coarseBlocks : blocks;
    return p.batch * p.heads * p.rank * (2 * tiles * Math.min(scored, 2 * blocks) + p.queries + p.keys);
  },
};
