// sparse-attention-gradient where several queries share a list (tileQueries > 1): with the register tile, as sparse-tiles.ts.
//
// A tile's selected keys and values are gathered, the groups' sums behind them as further columns. Sixteen queries lie in
// lanes: scores and slopes are products with the gathered rows, groups take from their columns what was selected of them,
// and the slopes are at once the packed operand of the product with the keys. What the sums by key need goes, transposed,
// to the weights. A block then adds up the tiles that selected it, each a product of its weights and the queries' panels.

import {
  BLOCK_KEYS,
  CAUSAL,
  COLUMN,
  causalLimits,
  fillColumn,
  GROUP_ROWS,
  GROUPS,
  groupCountsOf,
  HEAD_DIM,
  headOfPass,
  KEY,
  KEY_TOKEN,
  keyAt,
  keyRows,
  LANES,
  LSE,
  OUTPUT,
  packLanes,
  packQueries,
  panels,
  QUERIES,
  QUERY_TOKEN,
  queryAt,
  queryRows,
  RESIDUAL_GROUP,
  SCALE,
  scoreRows,
  subtractColumn,
  TILE_QUERIES,
  VALUE,
} from './attention';
import { dotRow, OUTPUT_GRADIENT, QUERY_GRADIENT, settledLse, slopes, writeRow } from './dense-attention-gradient';
import { tile4x8 } from './micro';
import { packColumns8, packRows4 } from './pack';
import {
  blocksOf,
  blockTasksOf,
  columnsOf,
  firstBlockOf,
  flowingPanelOf,
  groupSumsOf,
  groupWeightsOf,
  lastBlockOf,
  listsOf,
  queryPanelOf,
  readTile,
  slotsOf,
  tilesOf,
  weightsOf,
  writeBlock,
} from './sparse-attention-gradient';

/**
 * Weights and queryGradient of a tile of a head; a task a tile. With all = columns + groupRows:
 * scratch, 32-bit words: 2·16·headDim queries and output gradients, 16·8·panels sums, 3·16 lse, deltas, limits, 2·16·all
 * scores and slopes, (2·headDim + 8·panels)·all gathered rows, 2·all their addresses, columns keys, groupRows keys left,
 * slots entries
 */
export function sparseGradientTiles(args: usize, task: i32, scratch: usize): void {
  const queries = load<i32>(args, QUERIES);
  const headDim = load<i32>(args, HEAD_DIM);
  const bytes = (<usize>headDim) << 2;
  const tileQueries = load<i32>(args, TILE_QUERIES);
  const blockKeys = load<i32>(args, BLOCK_KEYS);
  const group = load<i32>(args, RESIDUAL_GROUP);
  const groupRows = load<i32>(args, GROUP_ROWS);
  const causal = load<i32>(args, CAUSAL);
  const scale = load<f32>(args, SCALE);
  const tiles = tilesOf(args);
  const index = task / tiles;
  const tile = task % tiles;
  const batchHead = headOfPass(args, index);
  const stride = columnsOf(args);
  const most = <usize>(stride + groupRows);
  const panelCount = panels(args);
  const wideBytes = (<usize>panelCount) << 5;

  const queryLanes = scratch;
  const flowingLanes = queryLanes + 16 * bytes;
  const sums = flowingLanes + 16 * bytes;
  const lse = sums + 16 * wideBytes;
  const deltas = lse + COLUMN;
  const limits = deltas + COLUMN;
  const scores = limits + COLUMN;
  const slopesOf = scores + most * COLUMN;
  const keyQuads = slopesOf + most * COLUMN;
  const valueQuads = keyQuads + most * bytes;
  const keyPanels = valueQuads + most * bytes;
  const keysAt = keyPanels + most * wideBytes;
  const valuesAt = keysAt + (most << 2);
  const columnKeys = valuesAt + (most << 2);
  const left = columnKeys + ((<usize>stride) << 2);
  const entries = left + ((<usize>groupRows) << 2);

  const count = readTile(args, batchHead, tile, entries);
  const columns = listColumns(args, index, batchHead, entries, count, columnKeys, left, keysAt, valuesAt);
  const all = columns + groupRows;
  gather(keysAt, valuesAt, all, headDim, keyQuads, valueQuads, keyPanels);

  const token = <usize>load<u32>(args, QUERY_TOKEN);
  const flowing = queryRows(args, <usize>load<u32>(args, OUTPUT_GRADIENT), batchHead);
  const output = queryRows(args, <usize>load<u32>(args, OUTPUT), batchHead);
  const gradient = queryRows(args, <usize>load<u32>(args, QUERY_GRADIENT), batchHead);
  const lseIn = <usize>load<u32>(args, LSE) + (((<usize>batchHead) * queries) << 2);
  const groupScores = scores + (<usize>columns) * COLUMN;
  const groupSlopes = slopesOf + (<usize>columns) * COLUMN;
  const columnBytes = (<usize>stride) << 2;
  const groupBytes = (<usize>groupRows) << 2;
  const tileEnd = min((tile + 1) * tileQueries, queries);

  for (let start = tile * tileQueries; start < tileEnd; start += LANES) {
    const end = min(start + LANES, tileEnd);
    const lanes = end - start;
    packQueries(args, batchHead, start, end, queryLanes);
    packLanes(args, <usize>load<u32>(args, OUTPUT_GRADIENT), batchHead, start, end, 1, flowingLanes);
    fillColumn(lse, Infinity);
    fillColumn(deltas, 0);
    for (let lane = 0; lane < lanes; lane++) {
      const q = queryAt(args, batchHead, start + lane);
      const row = (<usize>q) * token;
      store<f32>(lse + (lane << 2), settledLse(load<f32>(lseIn + (q << 2))));
      store<f32>(deltas + (lane << 2), dotRow(flowing + row, output + row, bytes));
    }
    if (causal) causalLimits(args, batchHead, start, end, limits);
    scoreRows(keyQuads, all, queryLanes, headDim, scores, lanes);
    scoreRows(valueQuads, all, flowingLanes, headDim, slopesOf, lanes);

    if (groupRows) {
      takeSelected(groupScores, scores, entries, count, columnKeys, blockKeys, group);
      takeSelected(groupSlopes, slopesOf, entries, count, columnKeys, blockKeys, group);
      for (let g = 0; g < groupRows; g++) {
        const at = (<usize>g) * COLUMN;
        groupColumn(groupScores + at, groupSlopes + at, load<f32>(left + (g << 2)), lse, deltas);
      }
    }
    for (let c = 0; c < columns; c++) {
      const p = scores + (<usize>c) * COLUMN;
      const ds = slopesOf + (<usize>c) * COLUMN;
      const key = load<i32>(columnKeys + (c << 2));
      if (key < 0) {
        fillColumn(p, 0);
        fillColumn(ds, 0);
        continue;
      }
      for (let i: usize = 0; i < COLUMN; i += 16) slopes(p + i, ds + i, v128.load(lse + i), v128.load(deltas + i));
      if (causal) {
        dropHidden(p, key, limits);
        dropHidden(ds, key, limits);
      }
    }
    if (groupRows) {
      giveSelected(groupScores, scores, entries, count, columnKeys, blockKeys, group);
      giveSelected(groupSlopes, slopesOf, entries, count, columnKeys, blockKeys, group);
    }

    if (all == 0) memory.fill(sums, 0, 16 * wideBytes);
    else {
      for (let panel = 0; panel < panelCount; panel++) {
        const b = keyPanels + (((<usize>panel) * all) << 5);
        for (let lane = 0; lane < lanes; lane += 4) {
          const sum = sums + (<usize>lane) * wideBytes + (panel << 5);
          tile4x8(slopesOf + (lane << 2), COLUMN, b, all, sum, wideBytes, false);
        }
      }
    }
    for (let lane = 0; lane < lanes; lane++) {
      const q = <usize>queryAt(args, batchHead, start + lane);
      writeRow(sums + (<usize>lane) * wideBytes, gradient + q * token, bytes, scale);
    }
    const weights = weightsOf(args, index, start, stride);
    transposeColumns(slopesOf, columns, lanes, weights, 2 * columnBytes);
    transposeColumns(scores, columns, lanes, weights + columnBytes, 2 * columnBytes);
    const groupWeights = groupWeightsOf(args, index, start);
    transposeColumns(groupSlopes, groupRows, lanes, groupWeights, 2 * groupBytes);
    transposeColumns(groupScores, groupRows, lanes, groupWeights + groupBytes, 2 * groupBytes);
  }
}

/**
 * The keys of a tile's columns, −1 where there is none, how many keys it leaves of each group, and where the rows of columns
 * and groups lie, 0 for none.
 *
 * @returns the columns, a multiple of 4
 */
function listColumns(
  args: usize,
  index: i32,
  batchHead: i32,
  entries: usize,
  count: i32,
  columnKeys: usize,
  left: usize,
  keysAt: usize,
  valuesAt: usize,
): i32 {
  const blockKeys = load<i32>(args, BLOCK_KEYS);
  const group = load<i32>(args, RESIDUAL_GROUP);
  const groups = load<i32>(args, GROUPS);
  const groupRows = load<i32>(args, GROUP_ROWS);
  const bytes = (<usize>load<i32>(args, HEAD_DIM)) << 2;
  const token = <usize>load<u32>(args, KEY_TOKEN);
  const key = keyRows(args, <usize>load<u32>(args, KEY), batchHead);
  const value = keyRows(args, <usize>load<u32>(args, VALUE), batchHead);
  memory.fill(left, 0, groupRows << 2);
  if (groups) memory.copy(left, groupCountsOf(args, batchHead), groups << 2);
  const named = count * blockKeys;
  const columns = (named + 3) & ~3;
  for (let c = 0; c < columns; c++) {
    const at = (<usize>c) << 2;
    const position = c < named ? load<i32>(entries + ((c / blockKeys) << 2)) * blockKeys + (c % blockKeys) : 0;
    const k = c < named ? keyAt(args, batchHead, position) : -1;
    store<i32>(columnKeys + at, k);
    store<u32>(keysAt + at, k < 0 ? 0 : <u32>(key + (<usize>k) * token));
    store<u32>(valuesAt + at, k < 0 ? 0 : <u32>(value + (<usize>k) * token));
    if (groups && k >= 0) {
      const g = left + ((position / group) << 2);
      store<f32>(g, load<f32>(g) - 1);
    }
  }
  for (let g = 0; g < groupRows; g++) {
    const at = (<usize>(columns + g)) << 2;
    const sums = g < groups ? groupSumsOf(args, index, g) : 0;
    store<u32>(keysAt + at, <u32>sums);
    store<u32>(valuesAt + at, sums ? <u32>(sums + bytes) : 0);
  }
  return columns;
}

/** Packs rows: quads [rows / 4][headDim][4] of keys and of values, panels [⌈headDim / 8⌉][rows][8] of keys. */
function gather(
  keysAt: usize,
  valuesAt: usize,
  rows: i32,
  headDim: i32,
  keyQuads: usize,
  valueQuads: usize,
  keyPanels: usize,
): void {
  const stride = (<usize>rows) << 5;
  for (let row = 0; row < rows; row += 4) {
    const at = (<usize>row) << 2;
    const quad = (<usize>row) * (headDim << 2);
    packQuad(keysAt + at, headDim, keyQuads + quad);
    packQuad(valuesAt + at, headDim, valueQuads + quad);
    for (let i: usize = 0; i < 4; i++) {
      packColumns8(<usize>load<u32>(keysAt + at + (i << 2)), headDim, keyPanels + ((<usize>row + i) << 5), stride);
    }
  }
}

// @ts-ignore: decorator
@inline
function packQuad(at: usize, headDim: i32, out: usize): void {
  packRows4(
    <usize>load<u32>(at),
    <usize>load<u32>(at, 4),
    <usize>load<u32>(at, 8),
    <usize>load<u32>(at, 12),
    headDim,
    out,
    16,
    1,
  );
}

/** From the sum over a group to that over what the tile left of it. */
function takeSelected(
  ofGroups: usize,
  ofColumns: usize,
  entries: usize,
  count: i32,
  columnKeys: usize,
  blockKeys: i32,
  group: i32,
): void {
  let c = 0;
  for (let e = 0; e < count; e++) {
    const g = ofGroups + (<usize>((load<i32>(entries + (e << 2)) * blockKeys) / group)) * COLUMN;
    for (let i = 0; i < blockKeys; i++, c++) {
      if (load<i32>(columnKeys + (c << 2)) >= 0) subtractColumn(g, ofColumns + (<usize>c) * COLUMN);
    }
  }
}

/** From the weights of selected keys to what is left once all keys of their group have the group's. */
function giveSelected(
  ofGroups: usize,
  ofColumns: usize,
  entries: usize,
  count: i32,
  columnKeys: usize,
  blockKeys: i32,
  group: i32,
): void {
  let c = 0;
  for (let e = 0; e < count; e++) {
    const g = ofGroups + (<usize>((load<i32>(entries + (e << 2)) * blockKeys) / group)) * COLUMN;
    for (let i = 0; i < blockKeys; i++, c++) {
      if (load<i32>(columnKeys + (c << 2)) >= 0) subtractColumn(ofColumns + (<usize>c) * COLUMN, g);
    }
  }
}

/** From the sums over what is left of a group, `left` keys, to its weights: b in the place of scores, a in that of slopes. */
// @ts-ignore: decorator
@inline
function groupColumn(score: usize, slope: usize, left: f32, lse: usize, deltas: usize): void {
  if (left <= 0) {
    fillColumn(score, 0);
    fillColumn(slope, 0);
    return;
  }
  const share = f32x4.splat(1 / left);
  for (let i: usize = 0; i < COLUMN; i += 16) {
    v128.store(score + i, f32x4.mul(v128.load(score + i), share));
    v128.store(slope + i, f32x4.mul(v128.load(slope + i), share));
    slopes(score + i, slope + i, v128.load(lse + i), v128.load(deltas + i));
  }
}

/** 0 for the queries whose causal limit lies before `key`. */
// @ts-ignore: decorator
@inline
function dropHidden(column: usize, key: i32, limits: usize): void {
  const k = i32x4.splat(key);
  for (let i: usize = 0; i < COLUMN; i += 16) {
    v128.store(column + i, v128.andnot(v128.load(column + i), i32x4.gt_s(k, v128.load(limits + i))));
  }
}

/** rows[lane][column] = columns[column][lane] for `lanes` rows, `stride` bytes apart; `count` is a multiple of 4. */
function transposeColumns(columns: usize, count: i32, lanes: i32, rows: usize, stride: usize): void {
  const bytes = (<usize>count) << 2;
  for (let lane = 0; lane < lanes; lane += 4) {
    const left = lanes - lane;
    const to = rows + (<usize>lane) * stride;
    let from = columns + (lane << 2);
    for (let c: usize = 0; c < bytes; c += 16, from += 4 * COLUMN) {
      const x0 = v128.load(from);
      const x1 = v128.load(from, COLUMN);
      const x2 = v128.load(from, 2 * COLUMN);
      const x3 = v128.load(from, 3 * COLUMN);
      const low01 = i8x16.shuffle(x0, x1, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
      const low23 = i8x16.shuffle(x2, x3, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
      const high01 = i8x16.shuffle(x0, x1, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
      const high23 = i8x16.shuffle(x2, x3, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
      const at = to + c;
      v128.store(at, i8x16.shuffle(low01, low23, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23));
      if (left > 1)
        v128.store(at + stride, i8x16.shuffle(low01, low23, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31));
      if (left > 2)
        v128.store(at + 2 * stride, i8x16.shuffle(high01, high23, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23));
      if (left > 3)
        v128.store(at + 3 * stride, i8x16.shuffle(high01, high23, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31));
    }
  }
}

/**
 * keyGradient and valueGradient of some blocks of a head, blockKeys a multiple of 4; a task TASK_KEYS keys or a block.
 * scratch, f32: 2·blockKeys·8·panels sums
 */
export function sparseGradientTileKeys(args: usize, task: i32, scratch: usize): void {
  const blockKeys = load<i32>(args, BLOCK_KEYS);
  const tileQueries = load<i32>(args, TILE_QUERIES);
  const queries = load<i32>(args, QUERIES);
  const slots = slotsOf(args);
  const stride = columnsOf(args);
  const columnBytes = (<usize>stride) << 2;
  const panelCount = panels(args);
  const wideBytes = (<usize>panelCount) << 5;
  const index = task / blockTasksOf(args);
  const batchHead = headOfPass(args, index);
  const lastBlock = lastBlockOf(args, task);
  const starts = listsOf(args, index);
  const items = starts + ((<usize>blocksOf(args) + 1) << 2);

  for (let block = firstBlockOf(args, task); block < lastBlock; block++) {
    memory.fill(scratch, 0, (<usize>blockKeys) * 2 * wideBytes);
    const end = load<i32>(starts + (block << 2), 4);
    for (let item = load<i32>(starts + (block << 2)); item < end; item++) {
      const tileEntry = load<i32>(items + ((<usize>item) << 2));
      const first = (tileEntry / slots) * tileQueries;
      const depth = min(tileQueries, queries - first);
      const weights = weightsOf(args, index, first, stride) + (((tileEntry % slots) * blockKeys) << 2);
      for (let panel = 0; panel < panelCount; panel++) {
        const q = queryPanelOf(args, index, panel, first);
        const flowing = flowingPanelOf(args, index, panel, first);
        for (let i = 0; i < blockKeys; i += 4) {
          const a = weights + (i << 2);
          const sum = scratch + (<usize>i) * 2 * wideBytes + (panel << 5);
          tile4x8(a, 2 * columnBytes, q, depth, sum, 2 * wideBytes, true);
          tile4x8(a + columnBytes, 2 * columnBytes, flowing, depth, sum + wideBytes, 2 * wideBytes, true);
        }
      }
    }
    writeBlock(args, index, batchHead, block, scratch);
  }
}
