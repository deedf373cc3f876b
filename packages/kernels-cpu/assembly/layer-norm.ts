// layer-norm: output = (y − mean) / √(variance + epsilon) · weight + bias with y = input (+ residual), per row.
// Two passes over the row for the variance: the one-pass formula loses digits where the mean is large.

import { sumLanes } from './lanes';

const ROWS: i32 = 16;

/** args: input, residual (or 0), weight, bias, output, rows, modelDim, epsilon; a task is 16 rows */
export function layerNorm(args: usize, task: i32, _scratch: usize): void {
  const residual = <usize>load<u32>(args, 4);
  const weight = <usize>load<u32>(args, 8);
  const bias = <usize>load<u32>(args, 12);
  const rows = load<i32>(args, 20);
  const modelDim = load<i32>(args, 24);
  const epsilon = load<f32>(args, 28);
  const bytes = (<usize>modelDim) << 2;
  const whole = bytes & ~15;
  const end = min((task + 1) * ROWS, rows);
  for (let row = task * ROWS; row < end; row++) {
    const x = <usize>load<u32>(args) + (<usize>row) * bytes;
    const r = residual + (<usize>row) * bytes;
    const y = <usize>load<u32>(args, 16) + (<usize>row) * bytes;
    let sums = f32x4.splat(0);
    let sum: f32 = 0;
    let i: usize = 0;
    for (; i < whole; i += 16) {
      let v = v128.load(x + i);
      if (residual) v = f32x4.add(v, v128.load(r + i));
      v128.store(y + i, v);
      sums = f32x4.add(sums, v);
    }
    for (; i < bytes; i += 4) {
      const v = load<f32>(x + i) + (residual ? load<f32>(r + i) : 0);
      store<f32>(y + i, v);
      sum += v;
    }
    const mean = (sum + sumLanes(sums)) / <f32>modelDim;
    const means = f32x4.splat(mean);
    let squares = f32x4.splat(0);
    let square: f32 = 0;
    for (i = 0; i < whole; i += 16) {
      const v = f32x4.sub(v128.load(y + i), means);
      squares = f32x4.add(squares, f32x4.mul(v, v));
    }
    for (; i < bytes; i += 4) {
      const v = load<f32>(y + i) - mean;
      square += v * v;
    }
    const inverse: f32 = 1 / sqrt<f32>((square + sumLanes(squares)) / <f32>modelDim + epsilon);
    const inverses = f32x4.splat(inverse);
    for (i = 0; i < whole; i += 16) {
      const v = f32x4.mul(f32x4.sub(v128.load(y + i), means), inverses);
      v128.store(y + i, f32x4.add(f32x4.mul(v, v128.load(weight + i)), v128.load(bias + i)));
    }
    for (; i < bytes; i += 4) {
      store<f32>(y + i, (load<f32>(y + i) - mean) * inverse * load<f32>(weight + i) + load<f32>(bias + i));
    }
  }
}
