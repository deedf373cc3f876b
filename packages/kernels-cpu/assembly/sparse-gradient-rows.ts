// sparse-attention-gradient row by row: where every query has its own list, and keys of blocks that are no whole vectors.

import {
  BLOCK_KEYS,
  CAUSAL,
  GROUP_ROWS,
  GROUPS,
  groupCountsOf,
  HEAD_DIM,
  headOfPass,
  KEY,
  KEY_TOKEN,
  KEYS,
  keyAt,
  keyRows,
  LSE,
  OUTPUT,
  panels,
  QUERIES,
  QUERY,
  QUERY_TOKEN,
  queryAt,
  queryRows,
  RESIDUAL_GROUP,
  SCALE,
  TILE_QUERIES,
  VALUE,
} from './attention';
import { dotRow, OUTPUT_GRADIENT, QUERY_GRADIENT } from './dense-attention-gradient';
import { exp } from './lanes';
import { dotRows, weightedSum } from './rows';
import {
  addScaled,
  blocksOf,
  blockTasksOf,
  columnsOf,
  firstBlockOf,
  groupSumsOf,
  groupWeightsOf,
  lastBlockOf,
  listsOf,
  readTile,
  slotsOf,
  weightsOf,
  writeBlock,
} from './sparse-attention-gradient';

/** Query positions of a task of sparseGradientRows. */
const POSITIONS: i32 = 16;
/** Rows that are summed at a time. */
const CHUNK: i32 = 256;

/**
 * Weights and queryGradient of 16 positions of the query order of a head; a task a chunk.
 *
 * scratch, 32-bit words: 6·columns (offsets, keys, columns, groups of the selected keys; logits, slopes), 3·groupRows (keys
 * left; logits, slopes), slots entries
 */
export function sparseGradientRows(args: usize, task: i32, scratch: usize): void {
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
  const columns = columnsOf(args);
  const columnBytes = (<usize>columns) << 2;

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
      const sums = groupSumsOf(args, index, g);
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
      addScaled(gradient + at, groupSumsOf(args, index, g), load<f32>(ofGroups + (g << 2)), bytes);
    }
    for (let i: usize = 0; i < bytes; i += 16) {
      v128.store(gradient + at + i, f32x4.mul(v128.load(gradient + at + i), f32x4.splat(scale)));
    }
  }
}

/**
 * keyGradient and valueGradient of some blocks of a head; a task TASK_KEYS keys or a block.
 * scratch, 32-bit words: 4·CHUNK (offsets, addresses of weights, A, B), 2·blockKeys·8·panels sums
 */
export function sparseGradientRowKeys(args: usize, task: i32, scratch: usize): void {
  const blockKeys = load<i32>(args, BLOCK_KEYS);
  const tileQueries = load<i32>(args, TILE_QUERIES);
  const queries = load<i32>(args, QUERIES);
  const slots = slotsOf(args);
  const columns = columnsOf(args);
  const index = task / blockTasksOf(args);
  const batchHead = headOfPass(args, index);
  const lastBlock = lastBlockOf(args, task);
  const queryToken = <usize>load<u32>(args, QUERY_TOKEN);
  const starts = listsOf(args, index);
  const items = starts + ((<usize>blocksOf(args) + 1) << 2);
  const rows = scratch;
  const weights = rows + (CHUNK << 2);
  const sums = weights + 3 * (CHUNK << 2);
  const sumBytes = (<usize>blockKeys) * (panels(args) << 6);

  for (let block = firstBlockOf(args, task); block < lastBlock; block++) {
    memory.fill(sums, 0, sumBytes);
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
          addChunk(args, batchHead, count, rows, weights, sums);
          count = 0;
        }
      }
    }
    addChunk(args, batchHead, count, rows, weights, sums);
    writeBlock(args, index, batchHead, block, sums);
  }
}

/** Adds, for each key of a block, the weighted rows of `count` queries to its sums. */
function addChunk(args: usize, batchHead: i32, count: i32, rows: usize, weights: usize, sums: usize): void {
  const blockKeys = load<i32>(args, BLOCK_KEYS);
  const headDim = load<i32>(args, HEAD_DIM);
  const query = queryRows(args, <usize>load<u32>(args, QUERY), batchHead);
  const flowing = queryRows(args, <usize>load<u32>(args, OUTPUT_GRADIENT), batchHead);
  const columnBytes = (<usize>columnsOf(args)) << 2;
  const wideBytes = (<usize>panels(args)) << 5;
  const a = weights + (CHUNK << 2);
  const b = a + (CHUNK << 2);
  for (let i = 0; i < blockKeys; i++) {
    for (let n: usize = 0; n < (<usize>count) << 2; n += 4) {
      const from = <usize>load<u32>(weights + n) + (i << 2);
      store<f32>(a + n, load<f32>(from));
      store<f32>(b + n, load<f32>(from + columnBytes));
    }
    const sum = sums + (<usize>i) * 2 * wideBytes;
    weightedSum(query, rows, a, count, headDim, sum, true);
    weightedSum(flowing, rows, b, count, headDim, sum + wideBytes, true);
  }
}
