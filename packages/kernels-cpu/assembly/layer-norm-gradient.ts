// layer-norm-gradient: what flows back through a layer norm; mean and deviation are computed again.
//
// The gradients of weight and bias are sums over all rows. A task sums those of its 64 rows, in their order, into a row of
// `partials`; layerNormSums adds these up, in theirs. So they do not depend on who does which task.

import { sumLanes } from './lanes';

const ROWS: i32 = 64;
/** Columns of a task of layerNormSums. */
const COLUMNS: i32 = 64;

/**
 * args: input, residual (or 0), weight, outputGradient, inputGradient, partials, weightGradient, biasGradient, rows,
 *   modelDim, epsilon
 * partials: f32 [⌈rows / 64⌉][2][modelDim], of weight and bias; a task is 64 rows
 */
export function layerNormGradient(args: usize, task: i32, _scratch: usize): void {
  const residual = <usize>load<u32>(args, 4);
  const weight = <usize>load<u32>(args, 8);
  const rows = load<i32>(args, 32);
  const modelDim = load<i32>(args, 36);
  const epsilon = load<f32>(args, 40);
  const bytes = (<usize>modelDim) << 2;
  const whole = bytes & ~15;
  const ofWeight = <usize>load<u32>(args, 20) + (<usize>task) * 2 * bytes;
  const ofBias = ofWeight + bytes;
  memory.fill(ofWeight, 0, 2 * bytes);
  const end = min((task + 1) * ROWS, rows);
  for (let row = task * ROWS; row < end; row++) {
    const at = (<usize>row) * bytes;
    const x = <usize>load<u32>(args) + at;
    const dy = <usize>load<u32>(args, 12) + at;
    const out = <usize>load<u32>(args, 16) + at;
    // `out` holds y, then x̂, before it holds the gradient.
    let sums = f32x4.splat(0);
    let sum: f32 = 0;
    let i: usize = 0;
    for (; i < whole; i += 16) {
      let v = v128.load(x + i);
      if (residual) v = f32x4.add(v, v128.load(residual + at + i));
      v128.store(out + i, v);
      sums = f32x4.add(sums, v);
    }
    for (; i < bytes; i += 4) {
      const v = load<f32>(x + i) + (residual ? load<f32>(residual + at + i) : 0);
      store<f32>(out + i, v);
      sum += v;
    }
    const mean = (sum + sumLanes(sums)) / <f32>modelDim;
    let squares = f32x4.splat(0);
    let square: f32 = 0;
    for (i = 0; i < whole; i += 16) {
      const v = f32x4.sub(v128.load(out + i), f32x4.splat(mean));
      squares = f32x4.add(squares, f32x4.mul(v, v));
    }
    for (; i < bytes; i += 4) {
      const v = load<f32>(out + i) - mean;
      square += v * v;
    }
    const inverse: f32 = 1 / sqrt<f32>((square + sumLanes(squares)) / <f32>modelDim + epsilon);
    // Sums of g and g ∘ x̂, and this row's part of the gradients of weight and bias.
    sums = f32x4.splat(0);
    sum = 0;
    let products = f32x4.splat(0);
    let product: f32 = 0;
    for (i = 0; i < whole; i += 16) {
      const normal = f32x4.mul(f32x4.sub(v128.load(out + i), f32x4.splat(mean)), f32x4.splat(inverse));
      const d = v128.load(dy + i);
      const g = f32x4.mul(d, v128.load(weight + i));
      v128.store(out + i, normal);
      v128.store(ofWeight + i, f32x4.add(v128.load(ofWeight + i), f32x4.mul(d, normal)));
      v128.store(ofBias + i, f32x4.add(v128.load(ofBias + i), d));
      sums = f32x4.add(sums, g);
      products = f32x4.add(products, f32x4.mul(g, normal));
    }
    for (; i < bytes; i += 4) {
      const normal = (load<f32>(out + i) - mean) * inverse;
      const d = load<f32>(dy + i);
      const g = d * load<f32>(weight + i);
      store<f32>(out + i, normal);
      store<f32>(ofWeight + i, load<f32>(ofWeight + i) + d * normal);
      store<f32>(ofBias + i, load<f32>(ofBias + i) + d);
      sum += g;
      product += g * normal;
    }
    const meanG = (sum + sumLanes(sums)) / <f32>modelDim;
    const meanGNormal = (product + sumLanes(products)) / <f32>modelDim;
    for (i = 0; i < whole; i += 16) {
      const g = f32x4.mul(v128.load(dy + i), v128.load(weight + i));
      const along = f32x4.add(f32x4.splat(meanG), f32x4.mul(v128.load(out + i), f32x4.splat(meanGNormal)));
      v128.store(out + i, f32x4.mul(f32x4.sub(g, along), f32x4.splat(inverse)));
    }
    for (; i < bytes; i += 4) {
      const g = load<f32>(dy + i) * load<f32>(weight + i);
      store<f32>(out + i, (g - (meanG + load<f32>(out + i) * meanGNormal)) * inverse);
    }
  }
}

/** Adds up the partial sums, in their order; the same args, a task is 64 columns. */
export function layerNormSums(args: usize, task: i32, _scratch: usize): void {
  const modelDim = load<i32>(args, 36);
  const parts = (load<i32>(args, 32) + ROWS - 1) / ROWS;
  const end = min((task + 1) * COLUMNS, modelDim);
  for (let column = task * COLUMNS; column < end; column++) {
    const at = (<usize>column) << 2;
    let from = <usize>load<u32>(args, 20) + at;
    let ofWeight: f32 = 0;
    let ofBias: f32 = 0;
    for (let part = 0; part < parts; part++) {
      ofWeight += load<f32>(from);
      ofBias += load<f32>(from + ((<usize>modelDim) << 2));
      from += (<usize>modelDim) << 3;
    }
    store<f32>(<usize>load<u32>(args, 24) + at, ofWeight);
    store<f32>(<usize>load<u32>(args, 28) + at, ofBias);
  }
}
