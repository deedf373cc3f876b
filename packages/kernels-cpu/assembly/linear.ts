// linear: output = activation(input · weightᵀ + bias)
//
// The weight is packed once into panels of 8 output features, [outFeatures / 8][inFeatures][8], zero-padded. A task owns
// rowBlock × columnBlock of the output and walks the depth in blocks of DEPTH: it packs its rows of that depth to tiles
// [depth][rowTile] (L2), then lets all of them pass by one panel block after the other (16 KiB, L1). A tile has six rows
// where the plan says so (micro.ts) and more than four are left, else four; the bits are the same.

import { activate } from './activation';
import { tile4x8, tile6x8 } from './micro';
import { packRows2, packRows4 } from './pack';

/** Depth of a pass. */
const DEPTH: i32 = 512;

/** Rows of the tile that begins where `left` rows are left. */
// @ts-ignore: decorator
@inline
export function tileHeight(rowTile: i32, left: i32): i32 {
  return left > 4 ? rowTile : 4;
}

/**
 * Brings the first `left` rows and `width` columns of a tile to the output: activation(cell + bias), or activation(cell +
 * output) where the output has a part of the sum already.
 *
 * @param cell [left][8] f32
 * @param edge 32 bytes of scratch
 */
export function storeTile(
  cell: usize,
  left: i32,
  width: i32,
  to: usize,
  strideOut: usize,
  bias0: v128,
  bias1: v128,
  accumulate: bool,
  activation: i32,
  edge: usize,
): void {
  for (let r = 0; r < left; r++) {
    if (width == 8) {
      const base0 = accumulate ? v128.load(to) : bias0;
      const base1 = accumulate ? v128.load(to, 16) : bias1;
      v128.store(to, activate(f32x4.add(v128.load(cell), base0), activation));
      v128.store(to, activate(f32x4.add(v128.load(cell, 16), base1), activation), 16);
    } else {
      // The last columns of an output whose width is no multiple of 8.
      let base0 = bias0;
      let base1 = bias1;
      if (accumulate) {
        memory.copy(edge, to, width << 2);
        base0 = v128.load(edge);
        base1 = v128.load(edge, 16);
      }
      v128.store(edge, activate(f32x4.add(v128.load(cell), base0), activation));
      v128.store(edge, activate(f32x4.add(v128.load(cell, 16), base1), activation), 16);
      memory.copy(to, edge, width << 2);
    }
    cell += 32;
    to += strideOut;
  }
}

/**
 * args: input, weight, bias (or 0), output, rows, inFeatures, outFeatures, activation, rowBlock (× rowTile),
 *   columnBlock (× 8), rowTile (4 or 6)
 * scratch: 56 + rowBlock × DEPTH f32
 */
export function linear(args: usize, task: i32, scratch: usize): void {
  const input = <usize>load<u32>(args);
  const weight = <usize>load<u32>(args, 4);
  const bias = <usize>load<u32>(args, 8);
  const output = <usize>load<u32>(args, 12);
  const rows = load<i32>(args, 16);
  const inFeatures = load<i32>(args, 20);
  const outFeatures = load<i32>(args, 24);
  const activation = load<i32>(args, 28);
  const rowBlock = load<i32>(args, 32);
  const columnBlock = load<i32>(args, 36);
  const rowTile = load<i32>(args, 40);

  const columnBlocks = (outFeatures + columnBlock - 1) / columnBlock;
  const rowStart = (task / columnBlocks) * rowBlock;
  const rowEnd = min(rowStart + rowBlock, rows);
  const columnStart = (task % columnBlocks) * columnBlock;
  const columnEnd = min(columnStart + columnBlock, outFeatures);
  const strideIn = (<usize>inFeatures) << 2;
  const strideOut = (<usize>outFeatures) << 2;
  const cell = scratch;
  const edge = scratch + 192;
  const packed = scratch + 224;

  for (let depthStart = 0; depthStart < inFeatures; depthStart += DEPTH) {
    const depth = min(DEPTH, inFeatures - depthStart);
    const first = depthStart == 0;
    const finish = depthStart + depth == inFeatures ? activation : 0;
    const depthBytes = (<usize>depth) << 2;
    let height = 4;
    for (let row = rowStart, out = packed; row < rowEnd; row += height, out += height * depthBytes) {
      const r0 = input + (<usize>row) * strideIn + (depthStart << 2);
      const left = rowEnd - row;
      height = tileHeight(rowTile, left);
      packRows4(
        r0,
        left > 1 ? r0 + strideIn : 0,
        left > 2 ? r0 + 2 * strideIn : 0,
        left > 3 ? r0 + 3 * strideIn : 0,
        depth,
        out,
        height << 2,
        1,
      );
      if (height == 6) packRows2(r0 + 4 * strideIn, left > 5 ? r0 + 5 * strideIn : 0, depth, out + 16, 24);
    }
    for (let column = columnStart; column < columnEnd; column += 8) {
      const panel = weight + (((<usize>(column >> 3)) * inFeatures + depthStart) << 5);
      const width = min(8, columnEnd - column);
      const columnBytes = (<usize>column) << 2;
      let bias0 = f32x4.splat(0);
      let bias1 = bias0;
      if (first && bias) {
        memory.copy(edge, bias + columnBytes, width << 2);
        bias0 = v128.load(edge);
        bias1 = v128.load(edge, 16);
      }
      for (let row = rowStart, a = packed; row < rowEnd; row += height, a += height * depthBytes) {
        height = tileHeight(rowTile, rowEnd - row);
        if (height == 6) tile6x8(a, panel, depth, cell);
        else tile4x8(a, 16, panel, depth, cell, 32, false);
        const left = min(height, rowEnd - row);
        const to = output + (<usize>row) * strideOut + columnBytes;
        storeTile(cell, left, width, to, strideOut, bias0, bias1, !first, finish, edge);
      }
    }
  }
}

/**
 * Packs a [outFeatures, inFeatures] weight into panels; a task a panel.
 * args: weight, packed, outFeatures, inFeatures
 */
export function packWeight(args: usize, task: i32, _scratch: usize): void {
  const outFeatures = load<i32>(args, 8);
  const inFeatures = load<i32>(args, 12);
  const stride = (<usize>inFeatures) << 2;
  const panel = <usize>load<u32>(args, 4) + (<usize>task) * 8 * stride;
  for (let lane = 0; lane < 8; lane++) {
    const feature = task * 8 + lane;
    let source = <usize>load<u32>(args) + (<usize>feature) * stride;
    const end = panel + 8 * stride;
    for (let target = panel + (lane << 2); target < end; target += 32) {
      store<f32>(target, feature < outFeatures ? load<f32>(source) : 0);
      source += 4;
    }
  }
}
