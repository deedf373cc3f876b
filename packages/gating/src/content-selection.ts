// The content gate on a backend's kernels: queries and keys into gate space, keys (and queries) into content order, lists
// by gate score. Every step is queued behind the one before; nothing is read back.

import { ceilDivide, type DeviceTensor, type Selection, type SelectTopKProblem, selectionOf } from '@flashmla/tensor';
import type { GateCall } from './gate-call.ts';
import type { HeadBudget } from './head-budget.ts';
import { residualGroup } from './residual-group.ts';

/** 'lists': single keys for each query. 'blocks': blocks of 16 keys for each tile of 16 queries. */
export type ContentShape = 'lists' | 'blocks';

/** A gate space on a backend. */
export interface DeviceMaps {
  /** f32 [heads, headDim, rank] */
  readonly queryMap: DeviceTensor;
  /** f32 [heads, headDim, rank] */
  readonly keyMap: DeviceTensor;
  readonly rank: number;
}

export interface ContentPlan {
  readonly shape: ContentShape;
  /** Tokens a query selects. */
  readonly k: number;
  readonly residual: boolean;
  /** Where heads select different numbers of tokens, k being the mean. */
  readonly budget?: HeadBudget | undefined;
}

/** Queries of a tile and keys of a block in the shape 'blocks': what tensor cores and WGSL tiles are full with. */
export const contentBlock = 16;
/** Lists of more keys than this are found in two levels. */
const singleLevelKeys = 1024;
/** The same for blocks. Scoring 4096 blocks for a tile of 16 queries costs each query what 256 keys would. */
const singleLevelBlocks = 4096;
/**
 * Candidates per entry that the second level looks at. At 8, lists hold at least 99.8 % of the attention that lists of one
 * level hold, with groups of 16 or 32; 99.5 % with groups of 64. At 4: 99.4, 99.0 and 98.0 %. (The README's encoder on 4096
 * tokens of two novels, 8 dimensions, k = 64, the worse of logits × 1 and × 3.)
 */
const candidatesPerSlot = 8;
/** One key of many, like no other, is found through the mean of its group: of associative recall's 98.5 % with 256, 99.8 %. */
const fewestCandidates = 512;

/** Slots that k of so many tokens fill: as lists k; as blocks ⌊k/16⌋, at least one, and all where k is all tokens. */
export function slotsFor(shape: ContentShape, k: number, keys = Number.POSITIVE_INFINITY): number {
  if (shape === 'lists') return Math.min(k, keys);
  return k >= keys ? ceilDivide(keys, contentBlock) : Math.max(1, Math.floor(k / contentBlock));
}

/** Causal calls keep the natural order and have no residual, which the kernels only do without a causal mask. */
export async function selectByContent(call: GateCall, maps: DeviceMaps, plan: ContentPlan): Promise<Selection> {
  const { causal, keys, queries, masks } = call;
  const blocks = plan.shape === 'blocks';
  const size = blocks ? contentBlock : 1;
  const residual = plan.residual && !causal;
  const units = ceilDivide(keys, size);
  const slots = plan.budget ? Math.min(plan.budget.most, units) : slotsFor(plan.shape, plan.k, keys);
  const levels = coarseLevel(units, slots, blocks ? singleLevelBlocks : singleLevelKeys);
  const orderKeys = !causal && (blocks || residual || levels.coarseBlocks > 0);
  const orderQueries = !causal && blocks;

  const query = await project(call, call.query, queries, maps.queryMap, maps.rank);
  const key = await project(call, call.key, keys, maps.keyMap, maps.rank);
  const keyOrder = orderKeys ? await order(call, key, keys, maps.rank, masks?.keyMask) : undefined;
  const queryOrder = orderQueries ? await order(call, query, queries, maps.rank, masks?.queryMask) : undefined;
  const problem: SelectTopKProblem = {
    ...{ op: 'select-top-k', batch: call.batch, heads: call.heads, queries, keys, rank: maps.rank },
    ...{ tileQueries: size, blockKeys: size, slots, headSlots: plan.budget !== undefined, ...levels, causal },
    ...{ keyOrder: orderKeys, queryOrder: orderQueries, mask: masks !== undefined },
    ...{ forceFirst: 0, forceDiagonal: 0, biasSpan: -1 },
  };
  const { indices } = await call.run(problem, {
    ...{ query, key, ...masks },
    ...(keyOrder && { keyOrder }),
    ...(queryOrder && { queryOrder }),
    ...(plan.budget && { headSlots: plan.budget.headSlots }),
  });
  call.release(query, key);
  const group = residual ? residualGroup(keys) : 0;
  return selectionOf({
    ...{ tileQueries: size, blockKeys: size, indices, keyOrder, queryOrder, residualGroup: group },
    ...(plan.budget && { meanSlots: plan.budget.mean }),
  });
}

/**
 * Groups for a first, coarse level: 16 to 64 neighbours in content order, the best of which hold 8 candidates an entry. So
 * in the longest inputs a query scores keys/64 groups and a fixed number of keys.
 */
function coarseLevel(units: number, slots: number, singleLevel: number) {
  if (units <= singleLevel) return { coarseBlocks: 0, coarseSlots: 0 };
  const coarseBlocks = units <= 2048 ? 16 : units <= 8192 ? 32 : 64;
  const candidates = Math.max(fewestCandidates, candidatesPerSlot * slots);
  return { coarseBlocks, coarseSlots: ceilDivide(candidates, coarseBlocks) };
}

async function project(call: GateCall, input: DeviceTensor, tokens: number, map: DeviceTensor, rank: number) {
  const { batch, heads, headDim: features, dtype, layout } = call;
  const sizes = { batch, heads, tokens, features, rank, dtype, layout };
  const { output } = await call.run({ op: 'gate-projection', ...sizes }, { input, map });
  return output;
}

async function order(call: GateCall, points: DeviceTensor, tokens: number, rank: number, mask?: DeviceTensor) {
  const { batch, heads } = call;
  const sizes = { batch, heads, tokens, rank, leaf: contentBlock, mask: mask !== undefined };
  const { order } = await call.run({ op: 'content-order', ...sizes }, { points, ...(mask && { mask }) });
  return order;
}
