// cross-entropy: loss and gradient of each row of logits; the largest logit is taken out of the exponentials.

import { exp, logScalar, maxLanes, sumLanes } from './lanes';

const ROWS: i32 = 16;

/** args: logits, labels, loss, logitsGradient, rows, classes, scale; a task is 16 rows */
export function crossEntropy(args: usize, task: i32, _scratch: usize): void {
  const rows = load<i32>(args, 16);
  const classes = load<i32>(args, 20);
  const scale = load<f32>(args, 24);
  const bytes = (<usize>classes) << 2;
  const whole = bytes & ~15;
  const end = min((task + 1) * ROWS, rows);
  for (let row = task * ROWS; row < end; row++) {
    const x = <usize>load<u32>(args) + (<usize>row) * bytes;
    const out = <usize>load<u32>(args, 12) + (<usize>row) * bytes;
    const loss = <usize>load<u32>(args, 8) + ((<usize>row) << 2);
    const label = load<i32>(<usize>load<u32>(args, 4) + ((<usize>row) << 2));
    if (<u32>label >= <u32>classes) {
      store<f32>(loss, 0);
      memory.fill(out, 0, bytes);
      continue;
    }
    let maxima = f32x4.splat(-Infinity);
    let i: usize = 0;
    for (; i < whole; i += 16) maxima = f32x4.pmax(maxima, v128.load(x + i));
    let largest = maxLanes(maxima);
    for (; i < bytes; i += 4) largest = max(largest, load<f32>(x + i));
    const l = f32x4.splat(largest);
    let sums = f32x4.splat(0);
    let sum: f32 = 0;
    for (i = 0; i < whole; i += 16) {
      const e = exp(f32x4.sub(v128.load(x + i), l));
      v128.store(out + i, e);
      sums = f32x4.add(sums, e);
    }
    for (; i < bytes; i += 4) {
      const e = f32x4.extract_lane(exp(f32x4.splat(load<f32>(x + i) - largest)), 0);
      store<f32>(out + i, e);
      sum += e;
    }
    sum += sumLanes(sums);
    const factor: f32 = scale / sum;
    for (i = 0; i < whole; i += 16) v128.store(out + i, f32x4.mul(v128.load(out + i), f32x4.splat(factor)));
    for (; i < bytes; i += 4) store<f32>(out + i, load<f32>(out + i) * factor);
    const at = (<usize>label) << 2;
    store<f32>(out + at, load<f32>(out + at) - scale);
    store<f32>(loss, logScalar(sum) + (largest - load<f32>(x + at)));
  }
}
