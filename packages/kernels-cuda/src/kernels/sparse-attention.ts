// sparse-attention: clean lists, sums of residual groups, then a warp a query or a block a tile.

import { ceilDivide, headsStrides, type SparseAttentionProblem } from '@flashmla/tensor';
import { type Kernel, launch, suffixOf } from '../plan.ts';
import { attentionWords, headWidth, refusesHeads, simtTile } from './attention.ts';

/** Warps of a block that each have a query, or a list, of their own. */
const warpsOfBlock = 4;

export const sparseAttention: Kernel<SparseAttentionProblem> = {
  refuses: refusesHeads,

  plan(problem) {
    const { batch, heads, queries, keys, headDim, tileQueries, blockKeys, slots, residualGroup } = problem;
    const rows = batch * heads;
    const tiles = ceilDivide(queries, tileQueries);
    const blocks = ceilDivide(keys, blockKeys);
    const groups = residualGroup > 0 ? ceilDivide(keys, residualGroup) : 0;
    const ofKeys = headsStrides(problem.layout, heads, keys, headDim);
    const suffix = suffixOf(problem);
    const work = workOf(problem);
    return {
      steps: [
        ...launch('sort_lists', ceilDivide(rows * tiles, warpsOfBlock), 128, {
          bindings: ['indices', 'lists'],
          words: [rows * tiles, slots, blocks],
        }),
        ...launch(`residual_groups_${suffix}`, queries > 0 ? rows * groups : 0, 128, {
          bindings: ['key', 'value', 'keyMask', 'keyOrder', 'groups'],
          words: [groups, residualGroup, heads, keys, headDim, ofKeys.batch, ofKeys.head, ofKeys.token],
        }),
        ...launch(work.kernel, work.blocks, 128, {
          bindings: [
            ...['query', 'key', 'value', 'keyMask', 'keyOrder', 'queryOrder', 'lists', 'groups'],
            ...['output', 'lse'],
          ],
          words: [...attentionWords(problem), rows, tileQueries, blockKeys, slots, residualGroup, groups],
          sharedBytes: work.sharedBytes,
        }),
      ],
      buffers: {
        lists: 4 * rows * tiles * (slots + 1),
        ...(groups > 0 && { groups: 4 * rows * groups * (2 * headDim + 4) }),
      },
      usefulMultiplyAdds: 2 * rows * queries * (Math.min(keys, slots * blockKeys) + groups) * headDim,
      issuedMultiplyAdds: 2 * work.queries * work.keys * headDim,
    };
  },
};

interface Work {
  readonly kernel: string;
  readonly blocks: number;
  readonly sharedBytes: number;
  /** Rows of logits that are computed, and keys of each, padding included. */
  readonly queries: number;
  readonly keys: number;
}

function workOf(problem: SparseAttentionProblem): Work {
  const { batch, heads, queries, keys, headDim, tileQueries, blockKeys, slots, residualGroup } = problem;
  const rows = batch * heads;
  const width = headWidth(problem);
  const suffix = suffixOf(problem);
  const listed = Math.min(slots, ceilDivide(keys, blockKeys)) * blockKeys;
  const groups = residualGroup > 0 ? ceilDivide(keys, residualGroup) : 0;
  const inChunksOf = (chunk: number) => (ceilDivide(listed, chunk) + ceilDivide(groups, chunk)) * chunk;
  if (tileQueries === 1) {
    // Lanes beyond the head's width have nothing to multiply.
    const streams = 32 / Math.min(32, width / 4);
    return {
      kernel: `sparse_queries_${suffix}_${width}`,
      blocks: ceilDivide(rows * queries, warpsOfBlock),
      sharedBytes: 0,
      queries: rows * queries,
      keys: (inChunksOf(streams) * width) / headDim,
    };
  }
  const tile = simtTile(width, tileQueries > 16 ? 64 : 16);
  const blocks = rows * ceilDivide(queries, tileQueries) * ceilDivide(tileQueries, tile.rows);
  return {
    kernel: `sparse_tiles_${suffix}_${tile.rows}_${width}`,
    blocks,
    sharedBytes: tile.sharedBytes,
    queries: blocks * tile.rows,
    keys: inChunksOf(tile.chunk),
  };
}
