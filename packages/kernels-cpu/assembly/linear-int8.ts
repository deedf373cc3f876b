// linear in int8: output = activation(sums · scale of the input's row · scale of the weight's row + bias)
//
// Rows of both operands are quantized to whole numbers from −127 to 127, each by a scale of its own, and lie in units of 32
// bits along the depth: four int8, where the engine multiplies and adds those in one instruction, else two int16 (perUnit).
// Units of rows side by side make the operands of micro.ts: a weight's rows are packed by eights at upload, panels
// [outFeatures / 8][units][8] with their scales and corrections behind them; an input's rows by tiles [units][rowTile], once,
// before the product. A task of the product owns rowBlock × columnBlock of the output, and walks the whole depth at once:
// sums are whole numbers, and a quarter or half of the bytes of f32 leaves a panel in cache up to a depth of some thousands.
//
// The dot product of relaxed SIMD is sure of seven bits of one operand. Engines that multiply all eight read them as unsigned
// (AVX-VNNI) or as signed (NEON); ../src/features.ts finds out which. For the former the input is moved up by 128 (`flip`),
// and 128 times the sum of the weight's row, its *correction*, is taken off again. int16 needs neither.

import { storeTile, tileHeight } from './linear';
import { tile4x8, tile6x8 } from './micro';

/** Rows of a task of quantizeRows. */
const ROWS: i32 = 8;
/** Elements of a row that are quantized together; rows of units are padded to as many. */
const STEP: i32 = 16;
/** The largest magnitude: symmetric, so that −128 is not used. */
const MOST: f32 = 127;
let SHIFT: v128 = f32x4.splat(12582912);

/** The largest magnitude among `count` f32; NaN where there is one: as bits it is larger than infinity. */
function largestMagnitude(row: usize, count: i32): f32 {
  const magnitude = i32x4.splat(0x7fffffff);
  let most = i32x4.splat(0);
  let i = 0;
  for (; i + 4 <= count; i += 4) most = i32x4.max_s(most, v128.and(v128.load(row + (i << 2)), magnitude));
  for (; i < count; i++) most = i32x4.max_s(most, i32x4.splat(load<i32>(row + (i << 2)) & 0x7fffffff));
  const pairs = i32x4.max_s(most, i8x16.shuffle(most, most, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  return reinterpret<f32>(max(i32x4.extract_lane(pairs, 0), i32x4.extract_lane(pairs, 1)));
}

// @ts-ignore: decorator
@inline
function inverseScale(largest: f32): f32 {
  return largest > 0 ? MOST / largest : 0;
}

/** Four f32 times `inverse`, as whole numbers: added to 1.5·2²³ what is behind the point is rounded away, ties to even. */
// @ts-ignore: decorator
@inline
function whole(from: usize, inverse: v128): v128 {
  return i32x4.sub(f32x4.add(f32x4.mul(v128.load(from), inverse), SHIFT), SHIFT);
}

/** Four units of a vector, each to its own row. */
// @ts-ignore: decorator
@inline
function scatter(units: v128, to: usize, stride: usize): void {
  v128.store32_lane(to, units, 0);
  v128.store32_lane(to + stride, units, 1);
  v128.store32_lane(to + 2 * stride, units, 2);
  v128.store32_lane(to + 3 * stride, units, 3);
}

/**
 * Quantizes a row of `count` f32 into units that lie `stride` bytes apart; what its last step lacks are zeros.
 *
 * @param flip 0x80 in every byte that is to be moved up by 128; of int16 none is
 * @param edge 64 bytes of scratch
 * @returns the sum of the whole numbers, before they are moved
 */
function quantize(row: usize, count: i32, inverse: f32, to: usize, stride: usize, perUnit: i32, flip: i32, edge: usize): i32 {
  const factor = f32x4.splat(inverse);
  const flips = i32x4.splat(flip);
  let sums = i32x4.splat(0);
  for (let i = 0; i < count; i += STEP) {
    let from = row + (i << 2);
    if (count - i < STEP) {
      memory.fill(edge, 0, 64);
      memory.copy(edge, from, (count - i) << 2);
      from = edge;
    }
    const a = whole(from, factor);
    const b = whole(from + 16, factor);
    const c = whole(from + 32, factor);
    const d = whole(from + 48, factor);
    sums = i32x4.add(sums, i32x4.add(i32x4.add(a, b), i32x4.add(c, d)));
    const low = i16x8.narrow_i32x4_s(a, b);
    const high = i16x8.narrow_i32x4_s(c, d);
    if (perUnit == 4) {
      scatter(v128.xor(i8x16.narrow_i16x8_s(low, high), flips), to, stride);
      to += 4 * stride;
    } else {
      scatter(low, to, stride);
      scatter(high, to + 4 * stride, stride);
      to += 8 * stride;
    }
  }
  const pairs = i32x4.add(sums, i8x16.shuffle(sums, sums, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  return i32x4.extract_lane(pairs, 0) + i32x4.extract_lane(pairs, 1);
}

/**
 * Quantizes and packs an input; a task is ROWS rows.
 * args: input, packed, scales, rows, inFeatures, units, rowTile (4 or 6), perUnit (4 or 2), flip
 * scratch: 64 bytes
 */
export function quantizeRows(args: usize, task: i32, scratch: usize): void {
  const input = <usize>load<u32>(args);
  const packed = <usize>load<u32>(args, 4);
  const scales = <usize>load<u32>(args, 8);
  const rows = load<i32>(args, 12);
  const inFeatures = load<i32>(args, 16);
  const units = load<i32>(args, 20);
  const rowTile = load<i32>(args, 24);
  const perUnit = load<i32>(args, 28);
  const flip = load<i32>(args, 32);
  const end = min((task + 1) * ROWS, rows);
  for (let row = task * ROWS; row < end; row++) {
    const from = input + (((<usize>row) * inFeatures) << 2);
    const largest = largestMagnitude(from, inFeatures);
    store<f32>(scales + (row << 2), largest / MOST);
    const first = row - (row % rowTile);
    const to = packed + (((<usize>first) * units + (row - first)) << 2);
    const stride = (<usize>tileHeight(rowTile, rows - first)) << 2;
    quantize(from, inFeatures, inverseScale(largest), to, stride, perUnit, flip, scratch);
  }
}

/**
 * Quantizes and packs a [outFeatures, inFeatures] weight; a task a panel.
 * args: weight, packed, outFeatures, inFeatures, units, perUnit (4 or 2), offset (what an input's numbers are moved up by)
 * scratch: 64 bytes
 */
export function quantizeWeight(args: usize, task: i32, scratch: usize): void {
  const packed = <usize>load<u32>(args, 4);
  const outFeatures = load<i32>(args, 8);
  const inFeatures = load<i32>(args, 12);
  const units = load<i32>(args, 16);
  const perUnit = load<i32>(args, 20);
  const offset = load<i32>(args, 24);
  const columns = (outFeatures + 7) & ~7;
  const panel = packed + (((<usize>task) * 8 * units) << 2);
  const scales = packed + (((<usize>columns) * units) << 2);
  const corrections = scales + (columns << 2);
  const end = min((task + 1) * 8, outFeatures);
  for (let column = task * 8; column < end; column++) {
    const from = <usize>load<u32>(args) + (((<usize>column) * inFeatures) << 2);
    const largest = largestMagnitude(from, inFeatures);
    store<f32>(scales + (column << 2), largest / MOST);
    const to = panel + ((column & 7) << 2);
    const sum = quantize(from, inFeatures, inverseScale(largest), to, 32, perUnit, 0, scratch);
    store<i32>(corrections + (column << 2), sum * offset);
  }
}

/** [height][8] i32 in place to f32: (sum − correction) · scale of its column · scale of its row. */
// @ts-ignore: decorator
@inline
function rescale(cell: usize, left: i32, rowScales: usize, columnScales: usize, corrections: usize): void {
  const correction0 = v128.load(corrections);
  const correction1 = v128.load(corrections, 16);
  const scale0 = v128.load(columnScales);
  const scale1 = v128.load(columnScales, 16);
  for (let r = 0; r < left; r++) {
    const scale = v128.load32_splat(rowScales);
    const x0 = f32x4.convert_i32x4_s(i32x4.sub(v128.load(cell), correction0));
    const x1 = f32x4.convert_i32x4_s(i32x4.sub(v128.load(cell, 16), correction1));
    v128.store(cell, f32x4.mul(x0, f32x4.mul(scale0, scale)));
    v128.store(cell, f32x4.mul(x1, f32x4.mul(scale1, scale)), 16);
    cell += 32;
    rowScales += 4;
  }
}

// @ts-ignore: decorator
@inline
function multiply<T>(height: i32, a: usize, panel: usize, units: i32, cell: usize): void {
  if (height == 6) tile6x8<T>(a, panel, units, cell);
  else tile4x8<T>(a, 16, panel, units, cell, 32, false);
}

/**
 * args: input and its scales (of quantizeRows), weight (of quantizeWeight), bias (or 0), output, rows, outFeatures, units,
 *   activation, rowBlock (× rowTile), columnBlock (× 8), rowTile (4 or 6), perUnit (4 or 2)
 * scratch: 224 bytes
 */
export function linearInt8(args: usize, task: i32, scratch: usize): void {
  const input = <usize>load<u32>(args);
  const rowScales = <usize>load<u32>(args, 4);
  const weight = <usize>load<u32>(args, 8);
  const bias = <usize>load<u32>(args, 12);
  const output = <usize>load<u32>(args, 16);
  const rows = load<i32>(args, 20);
  const outFeatures = load<i32>(args, 24);
  const units = load<i32>(args, 28);
  const activation = load<i32>(args, 32);
  const rowBlock = load<i32>(args, 36);
  const columnBlock = load<i32>(args, 40);
  const rowTile = load<i32>(args, 44);
  const perUnit = load<i32>(args, 48);

  const columnBlocks = (outFeatures + columnBlock - 1) / columnBlock;
  const rowStart = (task / columnBlocks) * rowBlock;
  const rowEnd = min(rowStart + rowBlock, rows);
  const columnStart = (task % columnBlocks) * columnBlock;
  const columnEnd = min(columnStart + columnBlock, outFeatures);
  const strideIn = (<usize>units) << 2;
  const strideOut = (<usize>outFeatures) << 2;
  const columns = (outFeatures + 7) & ~7;
  const columnScales = weight + (<usize>columns) * strideIn;
  const corrections = columnScales + (columns << 2);
  const cell = scratch;
  const edge = scratch + 192;

  for (let column = columnStart; column < columnEnd; column += 8) {
    const panel = weight + (<usize>column) * strideIn;
    const width = min(8, columnEnd - column);
    const columnBytes = (<usize>column) << 2;
    let bias0 = f32x4.splat(0);
    let bias1 = bias0;
    if (bias) {
      memory.copy(edge, bias + columnBytes, width << 2);
      bias0 = v128.load(edge);
      bias1 = v128.load(edge, 16);
    }
    let height = 4;
    for (let row = rowStart; row < rowEnd; row += height) {
      const a = input + (<usize>row) * strideIn;
      height = tileHeight(rowTile, rows - row);
      if (isDefined(RELAXED) && perUnit == 4) multiply<i8>(height, a, panel, units, cell);
      else multiply<i16>(height, a, panel, units, cell);
      const left = min(height, rowEnd - row);
      rescale(cell, left, rowScales + (row << 2), columnScales + columnBytes, corrections + columnBytes);
      const to = output + (<usize>row) * strideOut + columnBytes;
      storeTile(cell, left, width, to, strideOut, bias0, bias1, false, activation, edge);
    }
  }
}
