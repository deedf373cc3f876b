// linear-gradient: what linear.ts, which does its products, needs around it.
//
// dz · weight is `linear` with the weight's rows as depth, dzᵀ · input is `linear` with the tokens as depth; neither
// operand has to be transposed for that but dz, whose columns become rows. The sums over all rows run inside a task, in
// the order of the rows: they do not depend on who does which task.

import { sumLanes } from './lanes';

/** Rows of a task of packPanels. */
const ROWS: i32 = 64;
/** Rows and columns of a task of transpose. */
const BLOCK: i32 = 32;

/**
 * Packs a [rows, columns] matrix into panels [⌈columns / 8⌉][rows][8], zero-padded: a weight of `linear` whose inFeatures
 * are the rows. A task is ROWS rows.
 * args: matrix, packed, rows, columns
 */
export function packPanels(args: usize, task: i32, _scratch: usize): void {
  const rows = load<i32>(args, 8);
  const columns = load<i32>(args, 12);
  const packed = <usize>load<u32>(args, 4);
  const stride = (<usize>rows) << 5;
  const whole = columns & ~7;
  const end = min((task + 1) * ROWS, rows);
  for (let row = task * ROWS; row < end; row++) {
    let from = <usize>load<u32>(args) + (((<usize>row) * columns) << 2);
    let to = packed + ((<usize>row) << 5);
    for (let column = 0; column < whole; column += 8) {
      v128.store(to, v128.load(from));
      v128.store(to, v128.load(from, 16), 16);
      from += 32;
      to += stride;
    }
    if (whole < columns) {
      v128.store(to, f32x4.splat(0));
      v128.store(to, f32x4.splat(0), 16);
      memory.copy(to, from, (columns - whole) << 2);
    }
  }
}

/**
 * output[columns, rows] = inputᵀ; a task is BLOCK × BLOCK, so that both sides stay in cache.
 * args: input, output, rows, columns
 */
export function transpose(args: usize, task: i32, _scratch: usize): void {
  const rows = load<i32>(args, 8);
  const columns = load<i32>(args, 12);
  const across = (columns + BLOCK - 1) / BLOCK;
  const rowStart = (task / across) * BLOCK;
  const columnStart = (task % across) * BLOCK;
  const rowEnd = min(rowStart + BLOCK, rows);
  const columnEnd = min(columnStart + BLOCK, columns);
  for (let column = columnStart; column < columnEnd; column++) {
    let from = <usize>load<u32>(args) + (((<usize>rowStart) * columns + column) << 2);
    let to = <usize>load<u32>(args, 4) + (((<usize>column) * rows + rowStart) << 2);
    for (let row = rowStart; row < rowEnd; row++) {
      store<f32>(to, load<f32>(from));
      from += (<usize>columns) << 2;
      to += 4;
    }
  }
}

/**
 * output[row] = Σ input[row]; a task is a row.
 * args: input, output, columns
 */
export function rowSums(args: usize, task: i32, _scratch: usize): void {
  const bytes = (<usize>load<i32>(args, 8)) << 2;
  const row = <usize>load<u32>(args) + (<usize>task) * bytes;
  let sums = f32x4.splat(0);
  let sum: f32 = 0;
  let i: usize = 0;
  for (; i < (bytes & ~15); i += 16) sums = f32x4.add(sums, v128.load(row + i));
  for (; i < bytes; i += 4) sum += load<f32>(row + i);
  store<f32>(<usize>load<u32>(args, 4) + ((<usize>task) << 2), sum + sumLanes(sums));
}
