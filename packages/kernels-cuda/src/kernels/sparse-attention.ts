// sparse-attention: clean lists, sums of residual groups, then a warp a query or a block a tile.

import { ceilDivide, headsStrides, oneVariant, type SparseAttentionProblem } from '@flashmla/tensor';
import { type Kernel, launch, suffixOf } from '../plan.ts';
import {
  attentionWords,
  halfChunk,
  headWidth,
  keyParts,
  mergeSplits,
  refusesHeads,
  simtTile,
  tensorCoreTile,
} from './attention.ts';

/** Warps of a block that each have a query, or a list, of their own. */
const warpsOfBlock = 4;
/** Tiles a multiprocessor from which on a warp has a tile of its own: below, more warps are needed to hide latency. */
const tilesToFill = 64;
/** Queries of a block in float32 where tiles have more than 16, by the width of a head; the default first. */
const floatRows = { 64: [64, 16], 128: [32, 16], 256: [16] } as const;

export const sparseAttention: Kernel<SparseAttentionProblem> = {
  refuses: refusesHeads,

  variants(problem, { multiprocessors }) {
    if (problem.tileQueries === 1) return oneVariant;
    const width = headWidth(problem);
    const large = problem.tileQueries > 16;
    if (suffixOf(problem) === 'f32') return (large ? floatRows[width] : [16]).map((rows) => `${rows}-queries`);
    // Which warps work on a tile, or on 16 queries of one: all of a block on 64 queries, all of them on the same 16, or each
    // on its own. Rows that are too wide leave no room for the last.
    if (width === 256) return large ? ['block', 'shared'] : ['shared'];
    if (large) return ['block', 'shared', 'warp'];
    return partsOfTiles(problem, 16) < multiprocessors * tilesToFill ? ['shared', 'warp'] : ['warp', 'shared'];
  },

  plan(problem, traits, variant) {
    const { batch, heads, queries, keys, headDim, tileQueries, blockKeys, slots, residualGroup } = problem;
    const rows = batch * heads;
    const tiles = ceilDivide(queries, tileQueries);
    const blocks = ceilDivide(keys, blockKeys);
    const groups = residualGroup > 0 ? ceilDivide(keys, residualGroup) : 0;
    const ofKeys = headsStrides(problem.layout, heads, keys, headDim);
    const suffix = suffixOf(problem);
    const work = workOf(problem, variant);
    const parts = keyParts(work.blocks, work.keys, traits);
    const merge = mergeSplits(problem, parts);
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
            ...['output', 'lse', 'partial'],
          ],
          words: [...attentionWords(problem), rows, tileQueries, blockKeys, slots, residualGroup, groups],
          sharedBytes: work.sharedBytes,
          parts,
        }),
        ...merge.steps,
      ],
      buffers: {
        ...merge.buffers,
        lists: 4 * rows * tiles * (slots + 1),
        ...(groups > 0 && { groups: 4 * rows * groups * (2 * headDim + 4) }),
      },
      usefulMultiplyAdds: 2 * rows * queries * (Math.min(keys, slots * blockKeys) + groups) * headDim,
      issuedMultiplyAdds: work.multiplyAdds,
    };
  },
};

/** The step that attends: which kernel, on how many blocks, and what it computes, padding included. */
interface Work {
  readonly kernel: string;
  readonly blocks: number;
  readonly threads: number;
  readonly sharedBytes: number;
  /** Keys and stand-ins of a query. */
  readonly keys: number;
  readonly multiplyAdds: number;
}

function workOf(problem: SparseAttentionProblem, variant: string): Work {
  if (problem.tileQueries === 1) return queriesWork(problem);
  return suffixOf(problem) === 'f32'
    ? simtWork(problem, Number.parseInt(variant, 10))
    : tensorCoreWork(problem, variant);
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
  const keys = keysIn(streams, problem);
  return {
    kernel: `sparse_queries_${suffixOf(problem)}_${width}`,
    blocks: ceilDivide(queries, warpsOfBlock),
    threads: 32 * warpsOfBlock,
    sharedBytes: 0,
    keys,
    multiplyAdds: queries * keys * 2 * width,
  };
}

/** Tiles, cut in parts of `rows` queries. */
const partsOfTiles = ({ batch, heads, queries, tileQueries }: SparseAttentionProblem, rows: number) =>
  batch * heads * ceilDivide(queries, tileQueries) * ceilDivide(tileQueries, rows);

function simtWork(problem: SparseAttentionProblem, rows: number): Work {
  const tile = simtTile(problem, rows);
  const blocks = partsOfTiles(problem, rows);
  const keys = keysIn(tile.keys, problem);
  return {
    kernel: `sparse_tiles_f32_${rows}_${headWidth(problem)}`,
    blocks,
    threads: 128,
    sharedBytes: tile.sharedBytes,
    keys,
    multiplyAdds: blocks * rows * keys * tile.multiplyAdds,
  };
}

function tensorCoreWork(problem: SparseAttentionProblem, variant: string): Work {
  const width = headWidth(problem);
  const block = variant === 'block';
  const tile = block ? tensorCoreTile(problem, 4, halfChunk[width]) : tensorCoreTile(problem, 1, 16);
  const { rows, sharedBytes, multiplyAdds } = tile;
  const tiles = partsOfTiles(problem, rows);
  const keys = keysIn(tile.keys, problem);
  // Teams of a block, and how many of them share a tile.
  const teams = block ? 1 : width === 256 ? 2 : 4;
  const shares = variant === 'shared' ? teams : 1;
  return {
    kernel: `sparse_tiles_${suffixOf(problem)}_${rows}_by${shares}_${width}`,
    blocks: ceilDivide(tiles * shares, teams),
    threads: block ? 128 : 32 * teams,
    sharedBytes: teams * sharedBytes,
    keys,
    multiplyAdds: tiles * rows * keys * multiplyAdds,
  };
}
