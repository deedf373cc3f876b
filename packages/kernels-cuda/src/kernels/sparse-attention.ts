// sparse-attention: clean lists, sums of residual groups, then a warp a query or a block a tile.

import { ceilDivide, headsStrides, type SparseAttentionProblem } from '@flashmla/tensor';
import { type CudaTraits, type Kernel, launch, suffixOf } from '../plan.ts';
import { attentionWords, halfChunk, headWidth, refusesHeads, simtTile, tensorCoreTile } from './attention.ts';

/** Warps of a block that each have a query, or a list, of their own. */
const warpsOfBlock = 4;
/** Tiles a multiprocessor from which on a warp has a tile of its own: below, more warps are needed to hide latency. */
const tilesToFill = 64;

export const sparseAttention: Kernel<SparseAttentionProblem> = {
  refuses: refusesHeads,

  plan(problem, traits) {
    const { batch, heads, queries, keys, headDim, tileQueries, blockKeys, slots, residualGroup } = problem;
    const rows = batch * heads;
    const tiles = ceilDivide(queries, tileQueries);
    const blocks = ceilDivide(keys, blockKeys);
    const groups = residualGroup > 0 ? ceilDivide(keys, residualGroup) : 0;
    const ofKeys = headsStrides(problem.layout, heads, keys, headDim);
    const suffix = suffixOf(problem);
    const work = workOf(problem, traits);
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
        ...launch(work.kernel, work.blocks, work.threads, {
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
      issuedMultiplyAdds: work.multiplyAdds,
    };
  },
};

/** The last step: which kernel, on how many blocks, and what it computes, padding included. */
interface Work {
  readonly kernel: string;
  readonly blocks: number;
  readonly threads: number;
  readonly sharedBytes: number;
  readonly multiplyAdds: number;
}

function workOf(problem: SparseAttentionProblem, traits: CudaTraits): Work {
  if (problem.tileQueries === 1) return queriesWork(problem);
  return suffixOf(problem) === 'f32' ? simtWork(problem) : tensorCoreWork(problem, traits);
}

/** Keys and stand-ins of a query, both in whole multiples. */
function keysIn(multiple: number, { keys, slots, blockKeys, residualGroup }: SparseAttentionProblem): number {
  const listed = Math.min(slots, ceilDivide(keys, blockKeys)) * blockKeys;
  const groups = residualGroup > 0 ? ceilDivide(keys, residualGroup) : 0;
  return (ceilDivide(listed, multiple) + ceilDivide(groups, multiple)) * multiple;
}

/** A warp a query. */
function queriesWork(problem: SparseAttentionProblem): Work {
  const width = headWidth(problem);
  const queries = problem.batch * problem.heads * problem.queries;
  // Lanes beyond the head's width have nothing to multiply.
  const streams = 32 / Math.min(32, width / 4);
  return {
    kernel: `sparse_queries_${suffixOf(problem)}_${width}`,
    blocks: ceilDivide(queries, warpsOfBlock),
    threads: 32 * warpsOfBlock,
    sharedBytes: 0,
    multiplyAdds: queries * keysIn(streams, problem) * 2 * width,
  };
}

/** Tiles, cut in parts of `rows` queries. */
const partsOf = ({ batch, heads, queries, tileQueries }: SparseAttentionProblem, rows: number) =>
  batch * heads * ceilDivide(queries, tileQueries) * ceilDivide(tileQueries, rows);

function simtWork(problem: SparseAttentionProblem): Work {
  const width = headWidth(problem);
  const { rows, keys, multiplyAdds, sharedBytes } = simtTile(problem, problem.tileQueries > 16 ? 64 : 16);
  const blocks = partsOf(problem, rows);
  return {
    kernel: `sparse_tiles_f32_${rows}_${width}`,
    blocks,
    threads: 128,
    sharedBytes,
    multiplyAdds: blocks * rows * keysIn(keys, problem) * multiplyAdds,
  };
}

/** Up to 16 queries: a team of one warp, several to a tile where there are few; more: a block of four warps. */
function tensorCoreWork(problem: SparseAttentionProblem, { multiprocessors }: CudaTraits): Work {
  const width = headWidth(problem);
  const suffix = suffixOf(problem);
  if (problem.tileQueries > 16) {
    const { rows, keys, multiplyAdds, sharedBytes } = tensorCoreTile(problem, 4, halfChunk[width]);
    const blocks = partsOf(problem, rows);
    return {
      kernel: `sparse_tiles_${suffix}_${rows}_by1_${width}`,
      blocks,
      threads: 128,
      sharedBytes,
      multiplyAdds: blocks * rows * keysIn(keys, problem) * multiplyAdds,
    };
  }
  const { rows, keys, multiplyAdds, sharedBytes } = tensorCoreTile(problem, 1, 16);
  const tiles = partsOf(problem, rows);
  const teams = width === 256 ? 2 : 4;
  const shares = width === 256 || tiles < multiprocessors * tilesToFill ? teams : 1;
  return {
    kernel: `sparse_tiles_${suffix}_${rows}_by${shares}_${width}`,
    blocks: shares > 1 ? tiles : ceilDivide(tiles, teams),
    threads: 32 * teams,
    sharedBytes: teams * sharedBytes,
    multiplyAdds: tiles * rows * keysIn(keys, problem) * multiplyAdds,
  };
}
