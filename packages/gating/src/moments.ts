// Sums of outer products, the raw material of second moments and covariances.

import { Matrix } from 'ml-matrix';

/** Σ x·xᵀ over vectors x of `headDim` numbers. */
export class MomentSum {
  readonly headDim: number;
  /** Upper triangle, row-major. */
  readonly #sums: Float64Array;

  constructor(headDim: number) {
    this.headDim = headDim;
    this.#sums = new Float64Array(headDim * headDim);
  }

  /** @param rows [count, headDim] */
  add(rows: Float64Array): void {
    const { headDim } = this;
    const sums = this.#sums;
    let start = 0;
    // Four vectors at a time, so that a sum is loaded and stored once for all of them.
    for (; start + 4 * headDim <= rows.length; start += 4 * headDim) {
      const start1 = start + headDim;
      const start2 = start1 + headDim;
      const start3 = start2 + headDim;
      for (let i = 0; i < headDim; i++) {
        const a = rows[start + i];
        const b = rows[start1 + i];
        const c = rows[start2 + i];
        const d = rows[start3 + i];
        for (let j = i; j < headDim; j++) {
          sums[i * headDim + j] +=
            a * rows[start + j] + b * rows[start1 + j] + c * rows[start2 + j] + d * rows[start3 + j];
        }
      }
    }
    for (; start < rows.length; start += headDim) {
      for (let i = 0; i < headDim; i++) {
        const factor = rows[start + i];
        for (let j = i; j < headDim; j++) sums[i * headDim + j] += factor * rows[start + j];
      }
    }
  }

  /** The symmetric matrix of the sums, divided by `count`. */
  matrix(count: number): Matrix {
    const { headDim } = this;
    const matrix = new Matrix(headDim, headDim);
    for (let i = 0; i < headDim; i++) {
      for (let j = i; j < headDim; j++) {
        const value = this.#sums[i * headDim + j] / count;
        matrix.set(i, j, value);
        matrix.set(j, i, value);
      }
    }
    return matrix;
  }
}

/** `rows` [count, headDim] less their mean. */
export function centred(rows: Float64Array, headDim: number): Float64Array {
  const count = rows.length / headDim;
  const means = new Float64Array(headDim);
  for (let i = 0; i < rows.length; i++) means[i % headDim] += rows[i] / count;
  return rows.map((value, i) => value - means[i % headDim]);
}
