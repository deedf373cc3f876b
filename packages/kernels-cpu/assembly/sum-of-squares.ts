// sum-of-squares: pieces, then their sums, in float64, which holds a float32's square exactly.

import { ELEMENTS } from './elements';

/**
 * args: input, partials, output, elements
 * partials: f64 [⌈elements / ELEMENTS⌉]; a task is ELEMENTS elements
 */
export function squarePieces(args: usize, task: i32, _scratch: usize): void {
  const input = <usize>load<u32>(args);
  const end = (<usize>min((task + 1) * ELEMENTS, load<i32>(args, 12))) << 2;
  const whole = end & ~15;
  let i = (<usize>(task * ELEMENTS)) << 2;
  let low = f64x2.splat(0);
  let high = f64x2.splat(0);
  for (; i < whole; i += 16) {
    const x = v128.load(input + i);
    const a = f64x2.promote_low_f32x4(x);
    const b = f64x2.promote_low_f32x4(i8x16.shuffle(x, x, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
    low = f64x2.add(low, f64x2.mul(a, a));
    high = f64x2.add(high, f64x2.mul(b, b));
  }
  const sums = f64x2.add(low, high);
  let sum = f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1);
  for (; i < end; i += 4) {
    const x = <f64>load<f32>(input + i);
    sum += x * x;
  }
  store<f64>(<usize>load<u32>(args, 4) + ((<usize>task) << 3), sum);
}

/** Adds up the partial sums, in their order; the same args, one task. */
export function squareTotal(args: usize, _task: i32, _scratch: usize): void {
  const partials = <usize>load<u32>(args, 4);
  const pieces = (load<i32>(args, 12) + ELEMENTS - 1) / ELEMENTS;
  let sum: f64 = 0;
  for (let piece = 0; piece < pieces; piece++) sum += load<f64>(partials + ((<usize>piece) << 3));
  store<f32>(<usize>load<u32>(args, 8), <f32>sum);
}
