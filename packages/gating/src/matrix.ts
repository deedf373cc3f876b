// Small float64 matrices, row-major: what fitting and learning a gate are made of.

/** a · b for a [rows, inner], b [inner, columns]. */
export function product(a: Float64Array, b: Float64Array, inner: number): Float64Array {
  const columns = b.length / inner;
  const out = new Float64Array((a.length / inner) * columns);
  for (let row = 0, start = 0; start < out.length; row++, start += columns) {
    for (let i = 0; i < inner; i++) {
      const factor = a[row * inner + i];
      for (let column = 0; column < columns; column++) out[start + column] += factor * b[i * columns + column];
    }
  }
  return out;
}

/** a · bᵀ for a [rows, inner], b [columns, inner]. */
export function productOfTransposed(a: Float64Array, b: Float64Array, inner: number): Float64Array {
  return product(a, transpose(b, inner), inner);
}

/** Adds factor · aᵀ · b to `out` [inner, columns], for a [rows, inner], b [rows, columns]. */
export function addTransposedProduct(
  out: Float64Array,
  a: Float64Array,
  b: Float64Array,
  inner: number,
  factor = 1,
): void {
  const rows = a.length / inner;
  const columns = b.length / rows;
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < inner; i++) {
      const scaled = factor * a[row * inner + i];
      const start = i * columns;
      for (let column = 0; column < columns; column++) out[start + column] += scaled * b[row * columns + column];
    }
  }
}

/** The transpose of a [rows, columns]. */
export function transpose(a: Float64Array, columns: number): Float64Array {
  const rows = a.length / columns;
  const out = new Float64Array(a.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) out[column * rows + row] = a[row * columns + column];
  }
  return out;
}

/** The given rows of a [rows, columns]. */
export function rowsAt(a: Float64Array, columns: number, rows: readonly number[]): Float64Array {
  const out = new Float64Array(rows.length * columns);
  for (const [i, row] of rows.entries()) out.set(a.subarray(row * columns, (row + 1) * columns), i * columns);
  return out;
}

/** Softmax of each row of a [rows, columns], in place. */
export function softmaxRows(a: Float64Array, columns: number): Float64Array {
  for (let start = 0; start < a.length; start += columns) {
    let largest = Number.NEGATIVE_INFINITY;
    for (let i = start; i < start + columns; i++) largest = Math.max(largest, a[i]);
    let sum = 0;
    for (let i = start; i < start + columns; i++) {
      a[i] = Math.exp(a[i] - largest);
      sum += a[i];
    }
    for (let i = start; i < start + columns; i++) a[i] /= sum;
  }
  return a;
}
