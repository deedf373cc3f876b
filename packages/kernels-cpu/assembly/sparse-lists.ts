// sparse-attention where every query has its own list (tileQueries = 1).
//
// Sixteen neighbouring queries are one task: the residual groups, which all of them see, are one matrix product for the
// sixteen; the listed keys are read row by row from where they are, a contiguous row of headDim floats each. The residual
// is kept exact as in sparse-tiles.ts.
//
// Tried and lost: loops in place of memory.copy and memory.fill (0 to 4 % slower); queries in content order, which costs a
// second order (at 32768 keys a quarter faster where the gate has 8 dimensions, nothing where it has 32).

import {
  BLOCK_KEYS,
  CAUSAL,
  COLUMN,
  fillColumn,
  GROUP_ROWS,
  groupCountsOf,
  groupValuesOf,
  HEAD_DIM,
  headOfPass,
  INDICES,
  KEY,
  KEY_TOKEN,
  KEYS,
  keyAt,
  keyRows,
  LANES,
  packedKeysOf,
  packQueries,
  panels,
  QUERIES,
  QUERY,
  QUERY_TOKEN,
  queryAt,
  queryRows,
  RESIDUAL_GROUP,
  SCALE,
  SLOTS,
  scoreRows,
  VALUE,
  writeTile,
} from './attention';
import { readEntries } from './entries';
import { exp, log, maxLanes, sumLanes } from './lanes';
import { tile4x8 } from './micro';
import { dotRows, weightedSum } from './rows';

/**
 * With columns = selected columns of a query rounded up to a multiple of 4:
 * scratch, bytes: 64·headDim queries, 128 maxima and denominators, 512·panels sums, 64·groupRows scores, 12·columns
 * (logits, rows, groups), 12·groupRows (logits, left, touched), 4·slots entries
 */
export function sparseLists(args: usize, task: i32, scratch: usize): void {
  const queries = load<i32>(args, QUERIES);
  const keys = load<i32>(args, KEYS);
  const headDim = load<i32>(args, HEAD_DIM);
  const blockKeys = load<i32>(args, BLOCK_KEYS);
  const groupRows = load<i32>(args, GROUP_ROWS);
  const group = load<i32>(args, RESIDUAL_GROUP);
  const chunks = (queries + LANES - 1) / LANES;
  const batchHead = headOfPass(args, task / chunks);
  const start = (task % chunks) * LANES;
  const end = min(start + LANES, queries);
  const lanes = end - start;
  const blocks = (keys + blockKeys - 1) / blockKeys;
  const slots = min(load<i32>(args, SLOTS), blocks);
  const columnLimit = (slots * blockKeys + 3) & ~3;
  const panelCount = panels(args);

  const packedQueries = scratch;
  const maxima = packedQueries + ((<usize>headDim) << 6);
  const denominators = maxima + COLUMN;
  const sums = denominators + COLUMN;
  const strideSums = (<usize>panelCount) << 5;
  const scores = sums + (<usize>LANES) * strideSums;
  const logits = scores + (<usize>groupRows) * COLUMN;
  const groupLogits = logits + ((<usize>columnLimit) << 2);
  const rows = groupLogits + ((<usize>groupRows) << 2);
  const groupOf = rows + ((<usize>columnLimit) << 2);
  const left = groupOf + ((<usize>columnLimit) << 2);
  const touched = left + ((<usize>groupRows) << 2);
  const entries = touched + ((<usize>groupRows) << 2);

  const keysIn = packedKeysOf(args, batchHead);
  const counts = groupCountsOf(args, batchHead);
  const token = <usize>load<u32>(args, KEY_TOKEN);
  const key = keyRows(args, <usize>load<u32>(args, KEY), batchHead);
  const value = keyRows(args, <usize>load<u32>(args, VALUE), batchHead);
  const query = queryRows(args, <usize>load<u32>(args, QUERY), batchHead);
  const causal = load<i32>(args, CAUSAL);
  const scale = load<f32>(args, SCALE);
  const listBytes = (<usize>load<i32>(args, SLOTS)) << 2;
  const lists = <usize>load<u32>(args, INDICES) + (<usize>batchHead) * queries * listBytes;

  memory.fill(sums, 0, (<usize>LANES) * strideSums);
  fillColumn(maxima, 0);
  fillColumn(denominators, 0);
  if (groupRows) {
    packQueries(args, batchHead, start, end, packedQueries);
    scoreRows(keysIn, groupRows, packedQueries, headDim, scores, lanes);
  }

  for (let lane = 0; lane < lanes; lane++) {
    const q = queryAt(args, batchHead, start + lane);
    const limit = causal ? q + keys - queries : keys;
    const count = readEntries(lists + (<usize>(start + lane)) * listBytes, load<i32>(args, SLOTS), blocks, entries);
    let columns = 0;
    for (let e = 0; e < count; e++) {
      const first = load<i32>(entries + (e << 2)) * blockKeys;
      for (let i = 0; i < blockKeys; i++) {
        const k = keyAt(args, batchHead, first + i);
        if (k < 0 || k > limit) continue;
        store<u32>(rows + (columns << 2), <u32>((<usize>k) * token));
        if (groupRows) store<i32>(groupOf + (columns << 2), ((first + i) / group) << 2);
        columns++;
      }
    }
    dotRows(query + (<usize>q) * load<u32>(args, QUERY_TOKEN), key, rows, columns, headDim, scale, logits);

    if (groupRows) {
      memory.copy(left, counts, groupRows << 2);
      memory.fill(touched, 0, groupRows << 2);
      for (let g = 0; g < groupRows; g++) {
        store<f32>(groupLogits + (g << 2), load<f32>(scores + (<usize>g) * COLUMN + (lane << 2)));
      }
      for (let c = 0; c < columns; c++) {
        const g = <usize>load<i32>(groupOf + (c << 2));
        let sum = load<f32>(groupLogits + g);
        if (!load<i32>(touched + g)) {
          store<i32>(touched + g, 1);
          sum *= load<f32>(counts + g);
        }
        store<f32>(groupLogits + g, sum - load<f32>(logits + (c << 2)));
        store<f32>(left + g, load<f32>(left + g) - 1);
      }
      for (let g: usize = 0; g < (<usize>groupRows) << 2; g += 16) {
        const n = v128.load(left + g);
        const sum = v128.load(groupLogits + g);
        const mean = v128.bitselect(f32x4.div(sum, n), sum, i32x4.ne(v128.load(touched + g), i32x4.splat(0)));
        const none = f32x4.le(n, f32x4.splat(0));
        v128.store(groupLogits + g, v128.bitselect(f32x4.splat(-Infinity), f32x4.add(mean, log(n)), none));
      }
    }

    // Softmax over the listed keys (rounded up to whole vectors by −∞) and the groups.
    const columnBytes = (<usize>((columns + 3) & ~3)) << 2;
    for (let c = columns; (<usize>c) << 2 < columnBytes; c++) store<f32>(logits + (c << 2), -Infinity);
    let maximum: f32 = -Infinity;
    maximum = max(maximum, highest(logits, columnBytes));
    maximum = max(maximum, highest(groupLogits, (<usize>groupRows) << 2));
    if (maximum == -Infinity) maximum = 0;
    const denominator = exponentiateRow(logits, columnBytes, maximum) + exponentiateRow(groupLogits, (<usize>groupRows) << 2, maximum);
    store<f32>(maxima + (lane << 2), maximum);
    store<f32>(denominators + (lane << 2), denominator);
    if (groupRows) {
      for (let g: usize = 0; g < (<usize>groupRows) << 2; g += 16) {
        // A group with nothing left has weight 0 already: it is divided by 1.
        const n = f32x4.pmax(f32x4.splat(1), v128.load(left + g));
        const weights = f32x4.div(v128.load(groupLogits + g), n);
        v128.store(groupLogits + g, weights);
        const column = scores + g * (COLUMN >> 2) + (lane << 2);
        v128.store_lane<f32>(column, weights, 0);
        v128.store_lane<f32>(column, weights, 1, COLUMN);
        v128.store_lane<f32>(column, weights, 2, 2 * COLUMN);
        v128.store_lane<f32>(column, weights, 3, 3 * COLUMN);
      }
      for (let c = 0; c < columns; c++) {
        const g = <usize>load<i32>(groupOf + (c << 2));
        store<f32>(logits + (c << 2), load<f32>(logits + (c << 2)) - load<f32>(groupLogits + g));
      }
    }
    weightedSum(value, rows, logits, columns, headDim, sums + (<usize>lane) * strideSums, false);
  }

  if (groupRows) {
    const groupValues = groupValuesOf(args, batchHead);
    for (let panel = 0; panel < panelCount; panel++) {
      for (let lane = 0; lane < lanes; lane += 4) {
        tile4x8(
          scores + (lane << 2),
          COLUMN,
          groupValues + (((<usize>panel) * groupRows) << 5),
          groupRows,
          sums + (<usize>lane) * strideSums + (panel << 5),
          strideSums,
          true,
        );
      }
    }
  }
  writeTile(args, batchHead, start, end, sums, maxima, denominators);
}

// @ts-ignore: decorator
@inline
function highest(row: usize, bytes: usize): f32 {
  let m = f32x4.splat(-Infinity);
  for (let i: usize = 0; i < bytes; i += 16) m = f32x4.pmax(m, v128.load(row + i));
  return maxLanes(m);
}

/** p = e^(x − maximum) in place; returns their sum. */
// @ts-ignore: decorator
@inline
function exponentiateRow(row: usize, bytes: usize, maximum: f32): f32 {
  const m = f32x4.splat(maximum);
  let sum = f32x4.splat(0);
  for (let i: usize = 0; i < bytes; i += 16) {
    const p = exp(f32x4.sub(v128.load(row + i), m));
    v128.store(row + i, p);
    sum = f32x4.add(sum, p);
  }
  return sumLanes(sum);
}
