// sparse-attention-gradient: what both kinds of its kernels share, sparse-gradient-tiles.ts where queries share a list and
// sparse-gradient-rows.ts where rows are read one by one.
//
// A head's weights are kept while it is worked on, one pair for each query and selected key: O(N·K), and so is all work.
// With a and b of a group and ds and p of a selected key as the op's declaration has them, the sums over keys that were not
// selected are sums over whole groups, once the weights of the selected keys are A = ds − a and B = p − b:
//   queryGradientᵢ = scale · (Σ_selected A·kⱼ + Σ_groups a · Σ_group kⱼ)
//   keyGradientⱼ   = scale · (Σ_selecting A·qᵢ + Σ_all i a·qᵢ), valueGradientⱼ the same with B, b and outputGradient.
//
// Steps: the groups' sums (sparseGradientSums); weights and queryGradient, by query (sparseGradientTiles or
// sparseGradientRows); queries and output gradients as panels (sparseGradientPanels); a·q and b·outputGradient, by group
// (sparseGradientGroups); which tiles selected a block (sparseGradientLists); keyGradient and valueGradient, by block
// (sparseGradientTileKeys or sparseGradientRowKeys). Each sum is made by one task in the order of the queries, or of the
// list.

import {
  BLOCK_KEYS,
  GROUP_ROWS,
  GROUPS,
  groupCountsOf,
  HEAD_DIM,
  headOfPass,
  INDICES,
  KEY,
  KEY_ORDER,
  KEY_TOKEN,
  KEYS,
  keyAt,
  keyRows,
  panels,
  QUERIES,
  QUERY,
  QUERY_TOKEN,
  queryAt,
  queryRows,
  RESIDUAL_GROUP,
  SCALE,
  SLOTS,
  TILE_QUERIES,
  VALUE,
} from './attention';
import { KEY_GRADIENT, OUTPUT_GRADIENT, VALUE_GRADIENT } from './dense-attention-gradient';
import { readEntries } from './entries';
import { tile4x8 } from './micro';
import { packColumns8 } from './pack';

// Byte offsets of the arguments behind those of both gradients.
/** f32 [heads of a pass][groups][2][headDim]: the sums of each group's keys and values. */
const GROUP_SUMS: usize = 148;
/** f32 [heads of a pass][queries][2][columns], by position in the query order: A, then B. */
const WEIGHTS: usize = 152;
/** f32 [heads of a pass][queries][2][groupRows]: a, then b. */
const GROUP_WEIGHTS: usize = 156;
/** i32 [heads of a pass][blocks + 1 + tiles · slots]: where each block's items begin, then items: tile · slots + entry. */
const LISTS: usize = 160;
/** f32 [heads of a pass][groupRows][2][8·panels]: Σ a·q and Σ b·outputGradient of each group. */
const GROUP_GRADIENTS: usize = 164;
/** f32 [heads of a pass][panels][queries][8], by position in the query order; outputGradient likewise. */
const QUERY_PANELS: usize = 168;
const FLOWING_PANELS: usize = 172;

/** Positions of a task of sparseGradientPanels. */
const PACKED: i32 = 64;
/** Positions that are summed at a time: their weights of 32 groups, and their panel, stay in the first cache. */
const CHUNK: i32 = 64;
/** Keys of a task by block, in whole blocks, one at least. */
const TASK_KEYS: i32 = 16;

// @ts-ignore: decorator
@inline
export function blocksOf(args: usize): i32 {
  const blockKeys = load<i32>(args, BLOCK_KEYS);
  return (load<i32>(args, KEYS) + blockKeys - 1) / blockKeys;
}

// @ts-ignore: decorator
@inline
export function tilesOf(args: usize): i32 {
  const tileQueries = load<i32>(args, TILE_QUERIES);
  return (load<i32>(args, QUERIES) + tileQueries - 1) / tileQueries;
}

/** Entries of a list that can be different blocks. */
// @ts-ignore: decorator
@inline
export function slotsOf(args: usize): i32 {
  return min(load<i32>(args, SLOTS), blocksOf(args));
}

/** Columns of the weights: keys that a list can name, rounded up to whole vectors. */
// @ts-ignore: decorator
@inline
export function columnsOf(args: usize): i32 {
  return (slotsOf(args) * load<i32>(args, BLOCK_KEYS) + 3) & ~3;
}

/** The sum of a group's keys; that of its values follows. */
// @ts-ignore: decorator
@inline
export function groupSumsOf(args: usize, index: i32, group: i32): usize {
  const row = <usize>(index * load<i32>(args, GROUPS) + group);
  return <usize>load<u32>(args, GROUP_SUMS) + row * (load<i32>(args, HEAD_DIM) << 3);
}

// @ts-ignore: decorator
@inline
function groupGradientsOf(args: usize, index: i32, group: i32): usize {
  const row = <usize>(index * load<i32>(args, GROUP_ROWS) + group);
  return <usize>load<u32>(args, GROUP_GRADIENTS) + row * (panels(args) << 6);
}

/** A of the columns of a position; B follows, `columns` later. */
// @ts-ignore: decorator
@inline
export function weightsOf(args: usize, index: i32, position: i32, columns: i32): usize {
  const row = <usize>(index * load<i32>(args, QUERIES) + position);
  return <usize>load<u32>(args, WEIGHTS) + row * (columns << 3);
}

// @ts-ignore: decorator
@inline
export function groupWeightsOf(args: usize, index: i32, position: i32): usize {
  const row = <usize>(index * load<i32>(args, QUERIES) + position);
  return <usize>load<u32>(args, GROUP_WEIGHTS) + row * (load<i32>(args, GROUP_ROWS) << 3);
}

/** Panel `panel` of what lies at QUERY_PANELS or FLOWING_PANELS, from a position on. */
// @ts-ignore: decorator
@inline
function panelOf(args: usize, tensor: usize, index: i32, panel: i32, position: i32): usize {
  const row = <usize>((index * panels(args) + panel) * load<i32>(args, QUERIES) + position);
  return <usize>load<u32>(args + tensor) + (row << 5);
}

// @ts-ignore: decorator
@inline
export function queryPanelOf(args: usize, index: i32, panel: i32, position: i32): usize {
  return panelOf(args, QUERY_PANELS, index, panel, position);
}

// @ts-ignore: decorator
@inline
export function flowingPanelOf(args: usize, index: i32, panel: i32, position: i32): usize {
  return panelOf(args, FLOWING_PANELS, index, panel, position);
}

// @ts-ignore: decorator
@inline
export function listsOf(args: usize, index: i32): usize {
  const words = blocksOf(args) + 1 + tilesOf(args) * slotsOf(args);
  return <usize>load<u32>(args, LISTS) + (((<usize>index) * words) << 2);
}

// @ts-ignore: decorator
@inline
export function readTile(args: usize, batchHead: i32, tile: i32, entries: usize): i32 {
  const slots = load<i32>(args, SLOTS);
  const list = (<usize>(batchHead * tilesOf(args) + tile)) * slots;
  return readEntries(<usize>load<u32>(args, INDICES) + (list << 2), slots, blocksOf(args), entries);
}

// @ts-ignore: decorator
@inline
function taskBlocksOf(args: usize): i32 {
  return max(1, TASK_KEYS / load<i32>(args, BLOCK_KEYS));
}

// @ts-ignore: decorator
@inline
export function blockTasksOf(args: usize): i32 {
  return (blocksOf(args) + taskBlocksOf(args) - 1) / taskBlocksOf(args);
}

// @ts-ignore: decorator
@inline
export function firstBlockOf(args: usize, task: i32): i32 {
  return (task % blockTasksOf(args)) * taskBlocksOf(args);
}

// @ts-ignore: decorator
@inline
export function lastBlockOf(args: usize, task: i32): i32 {
  return min(firstBlockOf(args, task) + taskBlocksOf(args), blocksOf(args));
}

/** to[bytes] += factor · from. */
// @ts-ignore: decorator
@inline
export function addScaled(to: usize, from: usize, factor: f32, bytes: usize): void {
  const f = f32x4.splat(factor);
  for (let i: usize = 0; i < bytes; i += 16) {
    v128.store(to + i, f32x4.add(v128.load(to + i), f32x4.mul(f, v128.load(from + i))));
  }
}

/** The sums of a group's present keys and of their values, and how many there are; a task a group of a head. */
export function sparseGradientSums(args: usize, task: i32, _scratch: usize): void {
  const groups = load<i32>(args, GROUPS);
  const index = task / groups;
  const group = task % groups;
  const batchHead = headOfPass(args, index);
  const bytes = (<usize>load<i32>(args, HEAD_DIM)) << 2;
  const token = <usize>load<u32>(args, KEY_TOKEN);
  const key = keyRows(args, <usize>load<u32>(args, KEY), batchHead);
  const value = keyRows(args, <usize>load<u32>(args, VALUE), batchHead);
  const sums = groupSumsOf(args, index, group);
  memory.fill(sums, 0, 2 * bytes);
  const start = group * load<i32>(args, RESIDUAL_GROUP);
  const end = min(start + load<i32>(args, RESIDUAL_GROUP), load<i32>(args, KEYS));
  let count: f32 = 0;
  for (let position = start; position < end; position++) {
    const k = keyAt(args, batchHead, position);
    if (k < 0) continue;
    addScaled(sums, key + (<usize>k) * token, 1, bytes);
    addScaled(sums + bytes, value + (<usize>k) * token, 1, bytes);
    count += 1;
  }
  store<f32>(groupCountsOf(args, batchHead) + (group << 2), count);
}

/**
 * Which tiles selected each block, ascending; a task a head.
 * scratch, i32: slots entries, blocks next places
 */
export function sparseGradientLists(args: usize, task: i32, scratch: usize): void {
  const batchHead = headOfPass(args, task);
  const blocks = blocksOf(args);
  const tiles = tilesOf(args);
  const slots = slotsOf(args);
  const starts = listsOf(args, task);
  const items = starts + ((<usize>blocks + 1) << 2);
  const entries = scratch;
  const next = entries + ((<usize>slots) << 2);
  memory.fill(starts, 0, (<usize>blocks + 1) << 2);
  for (let tile = 0; tile < tiles; tile++) {
    const count = readTile(args, batchHead, tile, entries);
    for (let e = 0; e < count; e++) {
      const at = starts + (load<i32>(entries + (e << 2)) << 2);
      store<i32>(at, load<i32>(at, 4) + 1, 4);
    }
  }
  for (let block = 0; block < blocks; block++) {
    const at = starts + (block << 2);
    store<i32>(at, load<i32>(at) + load<i32>(at, 4), 4);
  }
  memory.copy(next, starts, (<usize>blocks) << 2);
  for (let tile = 0; tile < tiles; tile++) {
    const count = readTile(args, batchHead, tile, entries);
    for (let e = 0; e < count; e++) {
      const at = next + (load<i32>(entries + (e << 2)) << 2);
      const place = load<i32>(at);
      store<i32>(items + ((<usize>place) << 2), tile * slots + e);
      store<i32>(at, place + 1);
    }
  }
}

/** Queries and output gradients of 64 positions of the query order of a head, as panels; a task a chunk. */
export function sparseGradientPanels(args: usize, task: i32, _scratch: usize): void {
  const queries = load<i32>(args, QUERIES);
  const headDim = load<i32>(args, HEAD_DIM);
  const chunks = (queries + PACKED - 1) / PACKED;
  const index = task / chunks;
  const batchHead = headOfPass(args, index);
  const start = (task % chunks) * PACKED;
  const end = min(start + PACKED, queries);
  const token = <usize>load<u32>(args, QUERY_TOKEN);
  const query = queryRows(args, <usize>load<u32>(args, QUERY), batchHead);
  const flowing = queryRows(args, <usize>load<u32>(args, OUTPUT_GRADIENT), batchHead);
  const stride = (<usize>queries) << 5;
  for (let position = start; position < end; position++) {
    const at = (<usize>queryAt(args, batchHead, position)) * token;
    packColumns8(query + at, headDim, queryPanelOf(args, index, 0, position), stride);
    packColumns8(flowing + at, headDim, flowingPanelOf(args, index, 0, position), stride);
  }
}

/** Σ a·q and Σ b·outputGradient over all queries; a task a panel of a head. */
export function sparseGradientGroups(args: usize, task: i32, _scratch: usize): void {
  const queries = load<i32>(args, QUERIES);
  const groupRows = load<i32>(args, GROUP_ROWS);
  const panelCount = panels(args);
  const index = task / panelCount;
  const panel = task % panelCount;
  const groupBytes = (<usize>groupRows) << 2;
  const wideBytes = (<usize>panelCount) << 5;
  const out = groupGradientsOf(args, index, 0) + (<usize>(panel << 5));
  for (let start = 0; start < queries; start += CHUNK) {
    const depth = min(CHUNK, queries - start);
    const q = queryPanelOf(args, index, panel, start);
    const flowing = flowingPanelOf(args, index, panel, start);
    const weights = groupWeightsOf(args, index, start);
    for (let g = 0; g < groupRows; g += 4) {
      const a = weights + (g << 2);
      const to = out + (<usize>g) * 2 * wideBytes;
      tile4x8(a, 2 * groupBytes, q, depth, to, 2 * wideBytes, start > 0);
      tile4x8(a + groupBytes, 2 * groupBytes, flowing, depth, to + wideBytes, 2 * wideBytes, start > 0);
    }
  }
}

/** keyGradient and valueGradient of a block from its sums, f32 [blockKeys][2][8·panels], and from its group's. */
export function writeBlock(args: usize, index: i32, batchHead: i32, block: i32, sums: usize): void {
  const blockKeys = load<i32>(args, BLOCK_KEYS);
  const bytes = (<usize>load<i32>(args, HEAD_DIM)) << 2;
  const wideBytes = (<usize>panels(args)) << 5;
  const keys = load<i32>(args, KEYS);
  const scale = load<f32>(args, SCALE);
  const group = load<i32>(args, RESIDUAL_GROUP);
  const token = <usize>load<u32>(args, KEY_TOKEN);
  const ofKey = keyRows(args, <usize>load<u32>(args, KEY_GRADIENT), batchHead);
  const ofValue = keyRows(args, <usize>load<u32>(args, VALUE_GRADIENT), batchHead);
  const order = <usize>load<u32>(args, KEY_ORDER);
  const end = min(blockKeys, keys - block * blockKeys);
  for (let i = 0; i < end; i++) {
    const position = block * blockKeys + i;
    const k = order ? load<i32>(order + (((<usize>batchHead) * keys + position) << 2)) : position;
    const to = (<usize>k) * token;
    memory.fill(ofKey + to, 0, bytes);
    memory.fill(ofValue + to, 0, bytes);
    if (keyAt(args, batchHead, position) < 0) continue;
    const sum = sums + (<usize>i) * 2 * wideBytes;
    addScaled(ofKey + to, sum, scale, bytes);
    addScaled(ofValue + to, sum + wideBytes, 1, bytes);
    if (!group) continue;
    const ofGroup = groupGradientsOf(args, index, position / group);
    addScaled(ofKey + to, ofGroup, scale, bytes);
    addScaled(ofValue + to, ofGroup + wideBytes, 1, bytes);
  }
}
