// What the attention kernels share: their arguments, operands and the tile of 16 queries they all work on.
//
// Sixteen queries lie in lanes: scores are kept as S[column][16 queries], so that maximum, exponential and sum run down
// the columns without a horizontal step, and S is at once the packed operand of the product with the values.
//
//   keys    packedKeys   [heads of a pass][(keyRows + groupRows) / 4][headDim][4]
//   values  packedValues [heads of a pass][keyRows / unit][⌈headDim / 8⌉][unit][8], then [⌈headDim / 8⌉][groupRows][8]
//
// A pass is as many heads as are packed at once and then attended to, while what was packed is still in cache (see
// ../src/kernels/attention.ts).
//
// Key rows are keys in key order (masked and missing ones zero), group rows the residual groups: their mean key and the
// sum of their values. A unit is what is read together, a block or a chunk, so that its values are one run of memory.

import { exp, log, logScalar, sumLanes4 } from './lanes';
import { tile4x8 } from './micro';
import { packColumns8, packRows4 } from './pack';

// Byte offsets of the arguments.
export const QUERY: usize = 0;
export const KEY: usize = 4;
export const VALUE: usize = 8;
/** u8 [batch, keys] or 0. */
export const KEY_MASK: usize = 12;
export const OUTPUT: usize = 16;
export const LSE: usize = 20;
export const INDICES: usize = 24;
/** i32 [batch, heads, keys] or 0. */
export const KEY_ORDER: usize = 28;
export const QUERY_ORDER: usize = 32;
export const PACKED_KEYS: usize = 36;
export const PACKED_VALUES: usize = 40;
/** f32 [heads of a pass][2][groupRows]: present keys of each residual group, and the logarithm of their number. */
export const GROUP_COUNTS: usize = 44;
export const HEADS: usize = 48;
export const QUERIES: usize = 52;
export const KEYS: usize = 56;
export const HEAD_DIM: usize = 60;
export const SCALE: usize = 64;
export const CAUSAL: usize = 68;
// Strides in bytes, of query and output, and of key and value.
export const QUERY_BATCH: usize = 72;
export const QUERY_HEAD: usize = 76;
export const QUERY_TOKEN: usize = 80;
export const KEY_BATCH: usize = 84;
export const KEY_HEAD: usize = 88;
export const KEY_TOKEN: usize = 92;
export const TILE_QUERIES: usize = 96;
export const BLOCK_KEYS: usize = 100;
export const SLOTS: usize = 104;
export const RESIDUAL_GROUP: usize = 108;
export const GROUPS: usize = 112;
/** groups rounded up to a multiple of 4, or 0. */
export const GROUP_ROWS: usize = 116;
/** Rows of the packed operands that hold keys, a multiple of the unit; 0 when only groups are packed. */
export const KEY_ROWS: usize = 120;
/** Key rows whose values lie together, a multiple of 4. */
export const UNIT: usize = 124;
/** The first head of this pass, counted through all batch entries; the packed operands begin with it. */
export const FIRST_HEAD: usize = 128;

/** Queries of a tile: the lanes of S. */
export const LANES: i32 = 16;
/** Bytes of a column of S. */
export const COLUMN: usize = 64;

// @ts-ignore: decorator
@inline
export function packedRows(args: usize): i32 {
  return load<i32>(args, KEY_ROWS) + load<i32>(args, GROUP_ROWS);
}

// @ts-ignore: decorator
@inline
export function panels(args: usize): i32 {
  return (load<i32>(args, HEAD_DIM) + 7) >> 3;
}

/** The head, counted through all batch entries, that is number `index` of this pass. */
// @ts-ignore: decorator
@inline
export function headOfPass(args: usize, index: i32): i32 {
  return load<i32>(args, FIRST_HEAD) + index;
}

// @ts-ignore: decorator
@inline
function indexInPass(args: usize, batchHead: i32): usize {
  return <usize>(batchHead - load<i32>(args, FIRST_HEAD));
}

/** Address of the packed keys of one batch entry and head. */
// @ts-ignore: decorator
@inline
export function packedKeysOf(args: usize, batchHead: i32): usize {
  return <usize>load<u32>(args, PACKED_KEYS) + indexInPass(args, batchHead) * packedRows(args) * (load<i32>(args, HEAD_DIM) << 2);
}

/** Bytes of the packed values of one row. */
// @ts-ignore: decorator
@inline
export function valueRowBytes(args: usize): usize {
  return (<usize>panels(args)) << 5;
}

// @ts-ignore: decorator
@inline
export function packedValuesOf(args: usize, batchHead: i32): usize {
  return <usize>load<u32>(args, PACKED_VALUES) + indexInPass(args, batchHead) * packedRows(args) * valueRowBytes(args);
}

/** Counts of a head's groups; their logarithms follow, groupRows later. */
// @ts-ignore: decorator
@inline
export function groupCountsOf(args: usize, batchHead: i32): usize {
  return <usize>load<u32>(args, GROUP_COUNTS) + ((indexInPass(args, batchHead) * load<i32>(args, GROUP_ROWS)) << 3);
}

/** Where the packed values of the residual groups of a head begin. */
// @ts-ignore: decorator
@inline
export function groupValuesOf(args: usize, batchHead: i32): usize {
  return packedValuesOf(args, batchHead) + (<usize>load<i32>(args, KEY_ROWS)) * valueRowBytes(args);
}

/** The key at a position of the key order, or −1 where there is none or it is masked. */
// @ts-ignore: decorator
@inline
export function keyAt(args: usize, batchHead: i32, position: i32): i32 {
  const keys = load<i32>(args, KEYS);
  if (position >= keys) return -1;
  const order = <usize>load<u32>(args, KEY_ORDER);
  const key = order ? load<i32>(order + (((<usize>batchHead) * keys + position) << 2)) : position;
  const mask = <usize>load<u32>(args, KEY_MASK);
  if (mask && !load<u8>(mask + (<usize>(batchHead / load<i32>(args, HEADS))) * keys + key)) return -1;
  return key;
}

/** Address of the first row of `tensor` (KEY or VALUE) of one batch entry and head. */
// @ts-ignore: decorator
@inline
export function keyRows(args: usize, tensor: usize, batchHead: i32): usize {
  const heads = load<i32>(args, HEADS);
  return (
    tensor +
    (<usize>(batchHead / heads)) * load<u32>(args, KEY_BATCH) +
    (<usize>(batchHead % heads)) * load<u32>(args, KEY_HEAD)
  );
}

// @ts-ignore: decorator
@inline
export function queryRows(args: usize, tensor: usize, batchHead: i32): usize {
  const heads = load<i32>(args, HEADS);
  return (
    tensor +
    (<usize>(batchHead / heads)) * load<u32>(args, QUERY_BATCH) +
    (<usize>(batchHead % heads)) * load<u32>(args, QUERY_HEAD)
  );
}

/** Query at a position of the query order; −1 past the end. */
// @ts-ignore: decorator
@inline
export function queryAt(args: usize, batchHead: i32, position: i32): i32 {
  const queries = load<i32>(args, QUERIES);
  if (position >= queries) return -1;
  const order = <usize>load<u32>(args, QUERY_ORDER);
  return order ? load<i32>(order + (((<usize>batchHead) * queries + position) << 2)) : position;
}

/** Positions a task of packKeys covers. */
const CHUNK: i32 = 64;

/**
 * Packs the keys and values of CHUNK positions of the key order; a task a chunk of a head.
 */
export function packKeys(args: usize, task: i32, _scratch: usize): void {
  const rows = load<i32>(args, KEY_ROWS);
  const chunks = (rows + CHUNK - 1) / CHUNK;
  const batchHead = headOfPass(args, task / chunks);
  const start = (task % chunks) * CHUNK;
  const end = min(start + CHUNK, rows);
  const headDim = load<i32>(args, HEAD_DIM);
  const token = <usize>load<u32>(args, KEY_TOKEN);
  const key = keyRows(args, <usize>load<u32>(args, KEY), batchHead);
  const value = keyRows(args, <usize>load<u32>(args, VALUE), batchHead);
  const keysOut = packedKeysOf(args, batchHead);
  const valuesOut = packedValuesOf(args, batchHead);
  const unit = load<i32>(args, UNIT);
  const unitBytes = (<usize>unit) * valueRowBytes(args);
  const panelStride = (<usize>unit) << 5;
  for (let position = start; position < end; position += 4) {
    const k0 = keyAt(args, batchHead, position);
    const k1 = keyAt(args, batchHead, position + 1);
    const k2 = keyAt(args, batchHead, position + 2);
    const k3 = keyAt(args, batchHead, position + 3);
    packRows4(
      k0 < 0 ? 0 : key + (<usize>k0) * token,
      k1 < 0 ? 0 : key + (<usize>k1) * token,
      k2 < 0 ? 0 : key + (<usize>k2) * token,
      k3 < 0 ? 0 : key + (<usize>k3) * token,
      headDim,
      keysOut + (<usize>position) * (headDim << 2),
      16,
      1,
    );
    const out = valuesOut + (<usize>(position / unit)) * unitBytes + ((<usize>(position % unit)) << 5);
    packColumns8(k0 < 0 ? 0 : value + (<usize>k0) * token, headDim, out, panelStride);
    packColumns8(k1 < 0 ? 0 : value + (<usize>k1) * token, headDim, out + 32, panelStride);
    packColumns8(k2 < 0 ? 0 : value + (<usize>k2) * token, headDim, out + 64, panelStride);
    packColumns8(k3 < 0 ? 0 : value + (<usize>k3) * token, headDim, out + 96, panelStride);
  }
}

/**
 * Packs four residual groups: mean key, sum of values, count of present keys; a task four groups of a head. Keys that are
 * packed are summed from there, others from where they lie.
 * scratch: 8 × headDim f32
 */
export function packGroups(args: usize, task: i32, scratch: usize): void {
  const groupRows = load<i32>(args, GROUP_ROWS);
  const quads = groupRows >> 2;
  const batchHead = headOfPass(args, task / quads);
  const firstGroup = (task % quads) << 2;
  const group = load<i32>(args, RESIDUAL_GROUP);
  const headDim = load<i32>(args, HEAD_DIM);
  const bytes = (<usize>headDim) << 2;
  const token = <usize>load<u32>(args, KEY_TOKEN);
  const key = keyRows(args, <usize>load<u32>(args, KEY), batchHead);
  const value = keyRows(args, <usize>load<u32>(args, VALUE), batchHead);
  const row = load<i32>(args, KEY_ROWS) + firstGroup;
  const counts = groupCountsOf(args, batchHead) + ((<usize>firstGroup) << 2);
  const valuesOut = groupValuesOf(args, batchHead) + ((<usize>firstGroup) << 5);
  const panelStride = (<usize>groupRows) << 5;
  memory.fill(scratch, 0, 8 * bytes);
  const keys = load<i32>(args, KEYS);
  const inPlace = load<i32>(args, KEY_ROWS) > 0;
  for (let g = 0; g < 4; g++) {
    const keySum = scratch + (<usize>g) * bytes;
    const valueSum = scratch + (<usize>(4 + g)) * bytes;
    let count: f32 = 0;
    const start = (firstGroup + g) * group;
    const end = min(start + group, keys);
    for (let position = start; position < end; position++) {
      const k = keyAt(args, batchHead, position);
      if (k < 0) continue;
      count += 1;
      if (inPlace) continue;
      addRow(keySum, key + (<usize>k) * token, bytes);
      addRow(valueSum, value + (<usize>k) * token, bytes);
    }
    if (inPlace && start < end) sumPacked(args, batchHead, start, end, keySum, valueSum);
    store<f32>(counts + (g << 2), count);
    store<f32>(counts + ((groupRows + g) << 2), logScalar(count));
    const inverse = f32x4.splat(count > 0 ? 1 / count : 0);
    for (let i: usize = 0; i < bytes; i += 16) v128.store(keySum + i, f32x4.mul(v128.load(keySum + i), inverse));
    packColumns8(valueSum, headDim, valuesOut + (g << 5), panelStride);
  }
  packRows4(
    scratch,
    scratch + bytes,
    scratch + 2 * bytes,
    scratch + 3 * bytes,
    headDim,
    packedKeysOf(args, batchHead) + (<usize>row) * bytes,
    16,
    1,
  );
}

/** Sums the packed rows of positions [start, end): in order and next to each other, absent ones zero. */
function sumPacked(args: usize, batchHead: i32, start: i32, end: i32, keySum: usize, valueSum: usize): void {
  const headDim = load<i32>(args, HEAD_DIM);
  const quadBytes = (<usize>headDim) << 4;
  // A group starts at a multiple of its block size, itself a multiple of 4.
  const firstQuad = packedKeysOf(args, batchHead) + (<usize>(start >> 2)) * quadBytes;
  const endQuad = firstQuad + (<usize>((end - start + 3) >> 2)) * quadBytes;
  for (let d: usize = 0; d < (<usize>headDim) << 4; d += 64) {
    let s0 = f32x4.splat(0);
    let s1 = s0;
    let s2 = s0;
    let s3 = s0;
    for (let quad = firstQuad + d; quad < endQuad; quad += quadBytes) {
      s0 = f32x4.add(s0, v128.load(quad));
      s1 = f32x4.add(s1, v128.load(quad, 16));
      s2 = f32x4.add(s2, v128.load(quad, 32));
      s3 = f32x4.add(s3, v128.load(quad, 48));
    }
    v128.store(keySum + (d >> 2), sumLanes4(s0, s1, s2, s3));
  }
  // A group is whole units; the last may end early, in zero rows.
  const unit = (<usize>load<i32>(args, UNIT)) << 5;
  const unitBytes = (<usize>load<i32>(args, UNIT)) * valueRowBytes(args);
  const first = packedValuesOf(args, batchHead) + (<usize>start) * valueRowBytes(args);
  const last = first + (<usize>(end - start)) * valueRowBytes(args);
  for (let d = 0, panel: usize = 0; d < headDim; d += 8, panel += unit) {
    let s0 = f32x4.splat(0);
    let s1 = s0;
    for (let piece = first; piece < last; piece += unitBytes) {
      const rowsEnd = piece + panel + unit;
      for (let row = piece + panel; row < rowsEnd; row += 32) {
        s0 = f32x4.add(s0, v128.load(row));
        s1 = f32x4.add(s1, v128.load(row, 16));
      }
    }
    v128.store(valueSum + (d << 2), s0);
    if (d + 4 < headDim) v128.store(valueSum + (d << 2), s1, 16);
  }
}

// @ts-ignore: decorator
@inline
function addRow(sum: usize, row: usize, bytes: usize): void {
  for (let i: usize = 0; i < bytes; i += 16) v128.store(sum + i, f32x4.add(v128.load(sum + i), v128.load(row + i)));
}

/** Packs the 16 queries at positions [start, end) of the query order, scaled, to [2][headDim][8] at `out`. */
export function packQueries(args: usize, batchHead: i32, start: i32, end: i32, out: usize): void {
  packLanes(args, <usize>load<u32>(args, QUERY), batchHead, start, end, load<f32>(args, SCALE), out);
}

/** The same for any tensor that lies like the queries. */
export function packLanes(
  args: usize,
  tensor: usize,
  batchHead: i32,
  start: i32,
  end: i32,
  scale: f32,
  out: usize,
): void {
  const headDim = load<i32>(args, HEAD_DIM);
  const token = <usize>load<u32>(args, QUERY_TOKEN);
  const rows = queryRows(args, tensor, batchHead);
  for (let lane = 0; lane < LANES; lane += 4) {
    const position = start + lane;
    packRows4(
      queryRow(args, batchHead, rows, token, position, end),
      queryRow(args, batchHead, rows, token, position + 1, end),
      queryRow(args, batchHead, rows, token, position + 2, end),
      queryRow(args, batchHead, rows, token, position + 3, end),
      headDim,
      out + (<usize>(lane >> 3)) * (headDim << 5) + ((lane & 4) << 2),
      32,
      scale,
    );
  }
}

// @ts-ignore: decorator
@inline
function queryRow(args: usize, batchHead: i32, rows: usize, token: usize, position: i32, end: i32): usize {
  if (position >= end) return 0;
  return rows + (<usize>queryAt(args, batchHead, position)) * token;
}

/** S[rows][16] = packed rows · packed queries; `lanes` of the 16 are wanted. */
export function scoreRows(rows: usize, count: i32, queries: usize, headDim: i32, scores: usize, lanes: i32): void {
  const rowBytes = (<usize>headDim) << 4;
  for (let row = 0; row < count; row += 4) {
    tile4x8(rows, 16, queries, headDim, scores, COLUMN, false);
    if (lanes > 8) tile4x8(rows, 16, queries + 2 * rowBytes, headDim, scores + 32, COLUMN, false);
    rows += rowBytes;
    scores += 4 * COLUMN;
  }
}

/**
 * Divides the tile's sums by the softmax denominators and writes the rows, and lse = maximum + ln denominator.
 *
 * @param sums f32 [16][8·panels], @param maxima, @param denominators f32 [16]
 */
export function writeTile(
  args: usize,
  batchHead: i32,
  start: i32,
  end: i32,
  sums: usize,
  maxima: usize,
  denominators: usize,
): void {
  const headDim = load<i32>(args, HEAD_DIM);
  const bytes = (<usize>headDim) << 2;
  const strideSums = (<usize>panels(args)) << 5;
  const token = <usize>load<u32>(args, QUERY_TOKEN);
  const output = queryRows(args, <usize>load<u32>(args, OUTPUT), batchHead);
  const lse = <usize>load<u32>(args, LSE) + (((<usize>batchHead) * load<i32>(args, QUERIES)) << 2);
  for (let lane = 0; lane < LANES; lane += 4) {
    const logSum = f32x4.add(v128.load(maxima + (lane << 2)), log(v128.load(denominators + (lane << 2))));
    v128.store(maxima + (lane << 2), logSum);
  }
  for (let position = start; position < end; position++) {
    const lane = <usize>(position - start);
    const query = <usize>queryAt(args, batchHead, position);
    const denominator = load<f32>(denominators + (lane << 2));
    const inverse = f32x4.splat(denominator == 0 ? 0 : 1 / denominator);
    const from = sums + lane * strideSums;
    const to = output + query * token;
    for (let i: usize = 0; i < bytes; i += 16) v128.store(to + i, f32x4.mul(v128.load(from + i), inverse));
    store<f32>(lse + (query << 2), load<f32>(maxima + (lane << 2)));
  }
}

/** Last key that each of the 16 queries sees under the causal mask, i32 [16]. */
export function causalLimits(args: usize, batchHead: i32, start: i32, end: i32, limits: usize): void {
  const offset = load<i32>(args, KEYS) - load<i32>(args, QUERIES);
  for (let lane = 0; lane < LANES; lane++) {
    const position = start + lane;
    store<i32>(limits + (lane << 2), position < end ? queryAt(args, batchHead, position) + offset : -1);
  }
}

/** p = e^(s − maximum) for `count` columns of 16 scores in place; adds p to the denominators. */
export function exponentiate(columns: usize, count: i32, maxima: usize, denominators: usize): void {
  const end = columns + (<usize>count) * COLUMN;
  for (let i: usize = 0; i < COLUMN; i += 16) {
    const maximum = v128.load(maxima + i);
    let sum = v128.load(denominators + i);
    for (let column = columns + i; column < end; column += COLUMN) {
      const p = exp(f32x4.sub(v128.load(column), maximum));
      v128.store(column, p);
      sum = f32x4.add(sum, p);
    }
    v128.store(denominators + i, sum);
  }
}

/** Raises the maxima to those of `count` columns. */
export function raiseMaxima(columns: usize, count: i32, maxima: usize): void {
  let m0 = v128.load(maxima);
  let m1 = v128.load(maxima, 16);
  let m2 = v128.load(maxima, 32);
  let m3 = v128.load(maxima, 48);
  const end = columns + (<usize>count) * COLUMN;
  for (let column = columns; column < end; column += COLUMN) {
    m0 = f32x4.pmax(m0, v128.load(column));
    m1 = f32x4.pmax(m1, v128.load(column, 16));
    m2 = f32x4.pmax(m2, v128.load(column, 32));
    m3 = f32x4.pmax(m3, v128.load(column, 48));
  }
  v128.store(maxima, m0);
  v128.store(maxima, m1, 16);
  v128.store(maxima, m2, 32);
  v128.store(maxima, m3, 48);
}

// @ts-ignore: decorator
@inline
export function fillColumn(column: usize, value: f32): void {
  const x = f32x4.splat(value);
  v128.store(column, x);
  v128.store(column, x, 16);
  v128.store(column, x, 32);
  v128.store(column, x, 48);
}

// @ts-ignore: decorator
@inline
export function subtractColumn(column: usize, other: usize): void {
  for (let i: usize = 0; i < COLUMN; i += 16) {
    v128.store(column + i, f32x4.sub(v128.load(column + i), v128.load(other + i)));
  }
}

/** Maxima that are still −∞ (nothing to attend to) become 0, so that e^(−∞ − maximum) is 0 and not NaN. */
// @ts-ignore: decorator
@inline
export function settleMaxima(maxima: usize): void {
  for (let i: usize = 0; i < COLUMN; i += 16) {
    const m = v128.load(maxima + i);
    v128.store(maxima + i, v128.andnot(m, f32x4.eq(m, f32x4.splat(-Infinity))));
  }
}

/** Hides what the causal mask hides: scores of `key` for the queries whose limit lies before it become −∞. */
// @ts-ignore: decorator
@inline
export function hideColumn(column: usize, key: i32, limits: usize): void {
  const k = i32x4.splat(key);
  for (let i: usize = 0; i < COLUMN; i += 16) {
    const hidden = i32x4.gt_s(k, v128.load(limits + i));
    v128.store(column + i, v128.bitselect(f32x4.splat(-Infinity), v128.load(column + i), hidden));
  }
}
