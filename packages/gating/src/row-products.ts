// Each row of a matrix times one vector.

/**
 * Adds the products rows · vector to `products`.
 *
 * Four rows at a time: the vector is loaded once for all of them and the sums don't wait for each other.
 *
 * @param rows [count, vector.length]
 * @param products [count]
 */
export function addRowProducts(rows: Float64Array, vector: Float64Array, products: Float64Array): void {
  const width = vector.length;
  let row = 0;
  for (; row + 4 <= products.length; row += 4) {
    const [start0, start1, start2, start3] = [row * width, (row + 1) * width, (row + 2) * width, (row + 3) * width];
    let [sum0, sum1, sum2, sum3] = [0, 0, 0, 0];
    for (let i = 0; i < width; i++) {
      const factor = vector[i];
      sum0 += factor * rows[start0 + i];
      sum1 += factor * rows[start1 + i];
      sum2 += factor * rows[start2 + i];
      sum3 += factor * rows[start3 + i];
    }
    products[row] += sum0;
    products[row + 1] += sum1;
    products[row + 2] += sum2;
    products[row + 3] += sum3;
  }
  for (; row < products.length; row++) {
    let sum = 0;
    for (let i = 0; i < width; i++) sum += vector[i] * rows[row * width + i];
    products[row] += sum;
  }
}
