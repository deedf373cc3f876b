// The plain arrays that reference ops take and give, and a view of attention data as rows.

import { headsStrides, type Layout } from '../ops/layout.ts';

/** What a reference op computes with: inputs as given, float outputs in float64. */
export type NumberArray = Float64Array | Float32Array | Int32Array | Uint8Array;

/** Arrays by the names that the op's declaration gives. An input that the problem leaves out is absent. */
export type Arrays = Readonly<Record<string, NumberArray>>;

/** What becomes of a number that is put into memory. */
export type Rounding = (value: number) => number;

/**
 * The definition of an op in float64. `stored` is applied to what a computation of the plainest kind, an op after the
 * other, keeps between its steps and gives in the precision of the problem: the identity for the definition itself.
 */
export type Reference<Problem> = (problem: Problem, inputs: Arrays, stored: Rounding) => Record<string, NumberArray>;

/** The features of one token of one head. */
export type Row = NumberArray;

/** The rows of head `head` of batch entry `batch`, by token; views into `array`, not copies. */
export function rowsOf(
  array: NumberArray,
  sizes: { layout: Layout; heads: number; tokens: number; features: number },
  batch: number,
  head: number,
): Row[] {
  const { layout, heads, tokens, features } = sizes;
  const stride = headsStrides(layout, heads, tokens, features);
  return Array.from({ length: tokens }, (_, token) => {
    const start = batch * stride.batch + head * stride.head + token * stride.token;
    return array.subarray(start, start + features);
  });
}

/** Σ a[i]·b[i]. */
export function dot(a: Row, b: Row): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

/** The mean of `rows`, of `features` elements each; zeros when there is none. */
export function meanOf(rows: readonly Row[], features: number): Float64Array {
  const mean = new Float64Array(features);
  for (const row of rows) {
    for (let i = 0; i < features; i++) mean[i] += row[i] / rows.length;
  }
  return mean;
}

/** 0, 1, …, count − 1. */
export const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** The permutation that head `row` (counted over batch and heads) keeps at [row, 0 … length − 1]; natural if none is given. */
export function orderOf(orders: NumberArray | undefined, row: number, length: number): number[] {
  return orders ? [...orders.subarray(row * length, (row + 1) * length)] : range(length);
}

/** Tests whether token `token` of batch entry `batch` is present; every token is where no mask is given. */
export function presence(mask: NumberArray | undefined, batch: number, tokens: number): (token: number) => boolean {
  return (token) => mask === undefined || mask[batch * tokens + token] !== 0;
}
