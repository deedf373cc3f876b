// sparse-attention-gradient, for every kind of selection: rows are read one by one from where they lie.
//
// A head's weights are kept while it is worked on, one pair for each query and selected key: O(N·K), and so is all work.
// With a and b of a group and ds and p of a selected key as the op's declaration has them, the sums over keys that were not
// selected are sums over whole groups, once the weights of the selected keys are A = ds − a and B = p − b:
//   queryGradientᵢ = scale · (Σ_selected A·kⱼ + Σ_groups a · Σ_group kⱼ)
//   keyGradientⱼ   = scale · (Σ_selecting A·qᵢ + Σ_all i a·qᵢ), valueGradientⱼ the same with B, b and outputGradient.
//
// Steps: the groups' sums (sparseGradientSums); weights and queryGradient, by query (sparseGradientQueries); which tiles
// selected a block (sparseGradientLists); a·q and b·outputGradient, by group (sparseGradientGroups); keyGradient and
// valueGradient, by key (sparseGradientKeys). Each sum is made by one task in the order of the queries, or of the list.

import {
  BLOCK_KEYS,
  CAUSAL,
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
  LSE,
  OUTPUT,
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
import { dotRow, KEY_GRADIENT, OUTPUT_GRADIENT, QUERY_GRADIENT, VALUE_GRADIENT } from './dense-attention-gradient';
import { readEntries } from './entries';
import { exp } from './lanes';
import { dotRows, weightedSum } from './rows';

// Byte offsets of the arguments behind those of both gradients.
/** f32 [heads of a pass][groups][2][headDim]: the sums of each group's keys and values. */
const GROUP_SUMS: usize = 148;
/** f32 [heads of a pass][queries][2][slots · blockKeys], by position in the query order: A, then B. */
const WEIGHTS: usize = 152;
/** f32 [heads of a pass][queries][2][groupRows]: a, then b. */
const GROUP_WEIGHTS: usize = 156;
/** i32 [heads of a pass][blocks + 1 + tiles · slots]: where each block's items begin, then items: tile · slots + entry. */
const LISTS: usize = 160;
/** f32 [heads of a pass][groups][2][headDim]: Σ a·q and Σ b·outputGradient of each group. */
const GROUP_GRADIENTS: usize = 164;

/** Query positions of a task of sparseGradientQueries. */
const POSITIONS: i32 = 16;
/** Keys of a task of sparseGradientKeys, in whole blocks, one at least. */
const TASK_KEYS: i32 = 16;
/** Rows that are summed at a time. */
const CHUNK: i32 = 256;

// @ts-ignore: decorator
@inline
function blocksOf(args: usize): i32 {
  const blockKeys = load<i32>(args, BLOCK_KEYS);
  return (load<i32>(args, KEYS) + blockKeys - 1) / blockKeys;
}

// @ts-ignore: decorator
@inline
function tilesOf(args: usize): i32 {
  const tileQueries = load<i32>(args, TILE_QUERIES);
  return (load<i32>(args, QUERIES) + tileQueries - 1) / tileQueries;
}

/** Entries of a list that can be different blocks. */
// @ts-ignore: decorator
@inline
function slotsOf(args: usize): i32 {
  return min(load<i32>(args, SLOTS), blocksOf(args));
}

// @ts-ignore: decorator
@inline
function groupRowsOf(args: usize, buffer: usize, index: i32, group: i32): usize {
  const rows = <usize>(index * load<i32>(args, GROUPS) + group);
  return <usize>load<u32>(args + buffer) + rows * (load<i32>(args, HEAD_DIM) << 3);
}

// @ts-ignore: decorator
@inline
function weightsOf(args: usize, index: i32, position: i32, columns: i32): usize {
  const row = <usize>(index * load<i32>(args, QUERIES) + position);
  return <usize>load<u32>(args, WEIGHTS) + row * (columns << 3);
}

// @ts-ignore: decorator
@inline
function groupWeightsOf(args: usize, index: i32, position: i32): usize {
  const row = <usize>(index * load<i32>(args, QUERIES) + position);
  return <usize>load<u32>(args, GROUP_WEIGHTS) + row * (load<i32>(args, GROUP_ROWS) << 3);
}

// @ts-ignore: decorator
@inline
function listsOf(args: usize, index: i32): usize {
  const words = blocksOf(args) + 1 + tilesOf(args) * slotsOf(args);
  return <usize>load<u32>(args, LISTS) + (((<usize>index) * words) << 2);
}

// @ts-ignore: decorator
@inline
function readTile(args: usize, batchHead: i32, tile: i32, entries: usize): i32 {
  const slots = load<i32>(args, SLOTS);
  const list = (<usize>(batchHead * tilesOf(args) + tile)) * slots;
  return readEntries(<usize>load<u32>(args, INDICES) + (list << 2), slots, blocksOf(args), entries);
}

/** to[bytes] += factor · from. */
// @ts-ignore: decorator
@inline
function addScaled(to: usize, from: usize, factor: f32, bytes: usize): void {
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
  const sums = groupRowsOf(args, GROUP_SUMS, index, group);
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
 * Weights and queryGradient of 16 positions of the query order of a head; a task a chunk.
 *
 * With columns = slots · blockKeys rounded up to a multiple of 4:
 * scratch, 32-bit words: 6·columns (offsets, keys, columns, groups of the selected keys; logits, slopes), 3·groupRows (keys
 * left; logits, slopes), slots entries
 */
export function sparseGradientQueries(args: usize, task: i32, scratch: usize): void {
  const queries = load<i32>(args, QUERIES);
  const keys = load<i32>(args, KEYS);
  const headDim = load<i32>(args, HEAD_DIM);
  const bytes = (<usize>headDim) << 2;
  const blockKeys = load<i32>(args, BLOCK_KEYS);
  const tileQueries = load<i32>(args, TILE_QUERIES);
  const group = load<i32>(args, RESIDUAL_GROUP);
  const groups = load<i32>(args, GROUPS);
  const groupBytes = (<usize>load<i32>(args, GROUP_ROWS)) << 2;
  const causal = load<i32>(args, CAUSAL);
  const scale = load<f32>(args, SCALE);
  const chunks = (queries + POSITIONS - 1) / POSITIONS;
  const index = task / chunks;
  const batchHead = headOfPass(args, index);
  const start = (task % chunks) * POSITIONS;
  const end = min(start + POSITIONS, queries);
  const columns = slotsOf(args) * blockKeys;
  const columnBytes = (<usize>((columns + 3) & ~3)) << 2;

  const rows = scratch;
  const keysOf = rows + columnBytes;
  const columnOf = keysOf + columnBytes;
  const groupOf = columnOf + columnBytes;
  const logits = groupOf + columnBytes;
  const slopes = logits + columnBytes;
  const left = slopes + columnBytes;
  const groupLogits = left + groupBytes;
  const groupSlopes = groupLogits + groupBytes;
  const entries = groupSlopes + groupBytes;

  const keyToken = <usize>load<u32>(args, KEY_TOKEN);
  const queryToken = <usize>load<u32>(args, QUERY_TOKEN);
  const key = keyRows(args, <usize>load<u32>(args, KEY), batchHead);
  const value = keyRows(args, <usize>load<u32>(args, VALUE), batchHead);
  const query = queryRows(args, <usize>load<u32>(args, QUERY), batchHead);
  const output = queryRows(args, <usize>load<u32>(args, OUTPUT), batchHead);
  const flowing = queryRows(args, <usize>load<u32>(args, OUTPUT_GRADIENT), batchHead);
  const gradient = queryRows(args, <usize>load<u32>(args, QUERY_GRADIENT), batchHead);
  const lses = <usize>load<u32>(args, LSE) + (((<usize>batchHead) * queries) << 2);

  let tile = -1;
  let count = 0;
  let selected = 0;
  for (let position = start; position < end; position++) {
    if (position / tileQueries != tile) {
      tile = position / tileQueries;
      count = readTile(args, batchHead, tile, entries);
      selected = 0;
      memory.fill(left, 0, groupBytes);
      if (groups) memory.copy(left, groupCountsOf(args, batchHead), groups << 2);
      for (let e = 0; e < count; e++) {
        const first = load<i32>(entries + (e << 2)) * blockKeys;
        for (let i = 0; i < blockKeys; i++) {
          const k = keyAt(args, batchHead, first + i);
          if (k < 0) continue;
          const at = (<usize>selected) << 2;
          store<u32>(rows + at, <u32>((<usize>k) * keyToken));
          store<i32>(keysOf + at, k);
          store<i32>(columnOf + at, (e * blockKeys + i) << 2);
          if (groups) {
            const g = ((first + i) / group) << 2;
            store<i32>(groupOf + at, g);
            store<f32>(left + g, load<f32>(left + g) - 1);
          }
          selected++;
        }
      }
    }
    const q = queryAt(args, batchHead, position);
    const at = (<usize>q) * queryToken;
    const lse = load<f32>(lses + (q << 2));
    const ofSelected = weightsOf(args, index, position, columns);
    const ofGroups = groupWeightsOf(args, index, position);
    memory.fill(ofSelected, 0, (<usize>columns) << 3);
    memory.fill(ofGroups, 0, 2 * groupBytes);
    if (lse == -Infinity) {
      memory.fill(gradient + at, 0, bytes);
      continue;
    }
    const delta = dotRow(flowing + at, output + at, bytes);
    dotRows(query + at, key, rows, selected, headDim, scale, logits);
    dotRows(flowing + at, value, rows, selected, headDim, 1, slopes);

    // From a group's sums to the mean of what the tile left of it, as the forward pass does.
    memory.fill(groupLogits, 0, 2 * groupBytes);
    for (let g = 0; g < groups; g++) {
      const sums = groupRowsOf(args, GROUP_SUMS, index, g);
      store<f32>(groupLogits + (g << 2), scale * dotRow(query + at, sums, bytes));
      store<f32>(groupSlopes + (g << 2), dotRow(flowing + at, sums + bytes, bytes));
    }
    if (groups) {
      for (let s: usize = 0; s < (<usize>selected) << 2; s += 4) {
        const g = <usize>load<i32>(groupOf + s);
        store<f32>(groupLogits + g, load<f32>(groupLogits + g) - load<f32>(logits + s));
        store<f32>(groupSlopes + g, load<f32>(groupSlopes + g) - load<f32>(slopes + s));
      }
    }
    const l = f32x4.splat(lse);
    const d = f32x4.splat(delta);
    const one = f32x4.splat(1);
    for (let g: usize = 0; g < groupBytes; g += 16) {
      const n = v128.load(left + g);
      const some = f32x4.ge(n, one);
      const share = f32x4.div(one, f32x4.pmax(one, n));
      const b = v128.and(exp(f32x4.sub(f32x4.mul(v128.load(groupLogits + g), share), l)), some);
      const a = f32x4.mul(b, f32x4.sub(f32x4.mul(v128.load(groupSlopes + g), share), d));
      v128.store(ofGroups + g, v128.and(a, some));
      v128.store(ofGroups + groupBytes + g, b);
    }
    for (let s: usize = 0; s < (<usize>selected) << 2; s += 16) {
      const p = exp(f32x4.sub(v128.load(logits + s), l));
      v128.store(logits + s, p);
      v128.store(slopes + s, f32x4.mul(p, f32x4.sub(v128.load(slopes + s), d)));
    }
    const limit = causal ? q + keys - queries : keys;
    for (let s: usize = 0; s < (<usize>selected) << 2; s += 4) {
      let a = load<f32>(slopes + s);
      let b = load<f32>(logits + s);
      if (groups) {
        const g = <usize>load<i32>(groupOf + s);
        a -= load<f32>(ofGroups + g);
        b -= load<f32>(ofGroups + groupBytes + g);
      }
      if (load<i32>(keysOf + s) > limit) {
        a = 0;
        b = 0;
      }
      const column = ofSelected + <usize>load<i32>(columnOf + s);
      store<f32>(slopes + s, a);
      store<f32>(column, a);
      store<f32>(column + ((<usize>columns) << 2), b);
    }
    weightedSum(key, rows, slopes, selected, headDim, gradient + at, false);
    for (let g = 0; g < groups; g++) {
      addScaled(gradient + at, groupRowsOf(args, GROUP_SUMS, index, g), load<f32>(ofGroups + (g << 2)), bytes);
    }
    for (let i: usize = 0; i < bytes; i += 16) {
      v128.store(gradient + at + i, f32x4.mul(v128.load(gradient + at + i), f32x4.splat(scale)));
    }
  }
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

/**
 * Σ a·q and Σ b·outputGradient over all queries; a task a group of a head.
 * scratch, 32-bit words: 3·CHUNK (offsets, a, b)
 */
export function sparseGradientGroups(args: usize, task: i32, scratch: usize): void {
  const groups = load<i32>(args, GROUPS);
  const index = task / groups;
  const group = task % groups;
  const batchHead = headOfPass(args, index);
  const queries = load<i32>(args, QUERIES);
  const headDim = load<i32>(args, HEAD_DIM);
  const groupBytes = (<usize>load<i32>(args, GROUP_ROWS)) << 2;
  const token = <usize>load<u32>(args, QUERY_TOKEN);
  const query = queryRows(args, <usize>load<u32>(args, QUERY), batchHead);
  const flowing = queryRows(args, <usize>load<u32>(args, OUTPUT_GRADIENT), batchHead);
  const out = groupRowsOf(args, GROUP_GRADIENTS, index, group);
  const rows = scratch;
  const a = rows + (CHUNK << 2);
  const b = a + (CHUNK << 2);
  for (let start = 0; start < queries; start += CHUNK) {
    const count = min(CHUNK, queries - start);
    for (let n = 0; n < count; n++) {
      const weights = groupWeightsOf(args, index, start + n) + (group << 2);
      store<u32>(rows + (n << 2), <u32>((<usize>queryAt(args, batchHead, start + n)) * token));
      store<f32>(a + (n << 2), load<f32>(weights));
      store<f32>(b + (n << 2), load<f32>(weights + groupBytes));
    }
    weightedSum(query, rows, a, count, headDim, out, start > 0);
    weightedSum(flowing, rows, b, count, headDim, out + ((<usize>headDim) << 2), start > 0);
  }
}

/**
 * keyGradient and valueGradient of some blocks of a head; a task TASK_KEYS keys or a block.
 * scratch, 32-bit words: 4·CHUNK (offsets, addresses of weights, A, B), 2·blockKeys·headDim sums
 */
export function sparseGradientKeys(args: usize, task: i32, scratch: usize): void {
  const blockKeys = load<i32>(args, BLOCK_KEYS);
  const tileQueries = load<i32>(args, TILE_QUERIES);
  const headDim = load<i32>(args, HEAD_DIM);
  const bytes = (<usize>headDim) << 2;
  const queries = load<i32>(args, QUERIES);
  const keys = load<i32>(args, KEYS);
  const groups = load<i32>(args, GROUPS);
  const scale = load<f32>(args, SCALE);
  const blocks = blocksOf(args);
  const slots = slotsOf(args);
  const columns = slots * blockKeys;
  const taskBlocks = max(1, TASK_KEYS / blockKeys);
  const tasks = (blocks + taskBlocks - 1) / taskBlocks;
  const index = task / tasks;
  const batchHead = headOfPass(args, index);
  const lastBlock = min(((task % tasks) + 1) * taskBlocks, blocks);
  const queryToken = <usize>load<u32>(args, QUERY_TOKEN);
  const keyToken = <usize>load<u32>(args, KEY_TOKEN);
  const query = queryRows(args, <usize>load<u32>(args, QUERY), batchHead);
  const flowing = queryRows(args, <usize>load<u32>(args, OUTPUT_GRADIENT), batchHead);
  const ofKey = keyRows(args, <usize>load<u32>(args, KEY_GRADIENT), batchHead);
  const ofValue = keyRows(args, <usize>load<u32>(args, VALUE_GRADIENT), batchHead);
  const order = <usize>load<u32>(args, KEY_ORDER);
  const starts = listsOf(args, index);
  const items = starts + ((<usize>blocks + 1) << 2);
  const rows = scratch;
  const weights = rows + (CHUNK << 2);
  const a = weights + (CHUNK << 2);
  const b = a + (CHUNK << 2);
  const sums = b + (CHUNK << 2);

  for (let block = (task % tasks) * taskBlocks; block < lastBlock; block++) {
    memory.fill(sums, 0, (<usize>blockKeys) * 2 * bytes);
    const end = load<i32>(starts + (block << 2), 4);
    let count = 0;
    for (let item = load<i32>(starts + (block << 2)); item < end; item++) {
      const tileEntry = load<i32>(items + ((<usize>item) << 2));
      const first = (tileEntry / slots) * tileQueries;
      const column = (<usize>((tileEntry % slots) * blockKeys)) << 2;
      const last = min(first + tileQueries, queries);
      for (let position = first; position < last; position++) {
        store<u32>(rows + (count << 2), <u32>((<usize>queryAt(args, batchHead, position)) * queryToken));
        store<u32>(weights + (count << 2), <u32>(weightsOf(args, index, position, columns) + column));
        count++;
        if (count == CHUNK) {
          addChunk(rows, weights, a, b, count, columns, blockKeys, headDim, query, flowing, sums);
          count = 0;
        }
      }
    }
    addChunk(rows, weights, a, b, count, columns, blockKeys, headDim, query, flowing, sums);

    const blockEnd = min(blockKeys, keys - block * blockKeys);
    for (let i = 0; i < blockEnd; i++) {
      const position = block * blockKeys + i;
      const k = order ? load<i32>(order + (((<usize>batchHead) * keys + position) << 2)) : position;
      const to = (<usize>k) * keyToken;
      memory.fill(ofKey + to, 0, bytes);
      memory.fill(ofValue + to, 0, bytes);
      if (keyAt(args, batchHead, position) < 0) continue;
      const sum = sums + (<usize>i) * 2 * bytes;
      addScaled(ofKey + to, sum, scale, bytes);
      addScaled(ofValue + to, sum + bytes, 1, bytes);
      if (!groups) continue;
      const ofGroup = groupRowsOf(args, GROUP_GRADIENTS, index, position / load<i32>(args, RESIDUAL_GROUP));
      addScaled(ofKey + to, ofGroup, scale, bytes);
      addScaled(ofValue + to, ofGroup + bytes, 1, bytes);
    }
  }
}

/** Adds, for each key of a block, the weighted rows of `count` queries to its sums. */
function addChunk(
  rows: usize,
  weights: usize,
  a: usize,
  b: usize,
  count: i32,
  columns: i32,
  blockKeys: i32,
  headDim: i32,
  query: usize,
  flowing: usize,
  sums: usize,
): void {
  const bytes = (<usize>headDim) << 2;
  for (let i = 0; i < blockKeys; i++) {
    for (let n: usize = 0; n < (<usize>count) << 2; n += 4) {
      const from = <usize>load<u32>(weights + n) + (i << 2);
      store<f32>(a + n, load<f32>(from));
      store<f32>(b + n, load<f32>(from + ((<usize>columns) << 2)));
    }
    const sum = sums + (<usize>i) * 2 * bytes;
    weightedSum(query, rows, a, count, headDim, sum, true);
    weightedSum(flowing, rows, b, count, headDim, sum + bytes, true);
  }
}
