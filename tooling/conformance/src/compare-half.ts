// What 'equal' means in half precision: at most twice as wrong as a naive computation in the same precision, which rounds to
// it whatever it puts into memory (`reference` with `roundingTo`).

import { isFloatDType, type NumberArray, type TensorSpec } from '@flashmla/tensor';

/**
 * What an element may be off by even where the naive computation happens to be right: absolutely, or in relation to it or to
 * its row, in the root of the mean square: a sum is as uncertain as what is added up, however little is left of it.
 */
const floor = {
  // Devices may flush what lies below the smallest normal number. One unit in the last place: half of it is rounding.
  float16: { absolute: 2 ** -14, relative: 2 ** -10 },
  bfloat16: { absolute: 2 ** -126, relative: 2 ** -7 },
  float32: { absolute: 1e-5, relative: 1e-4 },
} as const;

/**
 * Raises unless every element of `actual` is as near to `expected` as twice what `naive` is off by there, or in its row
 * in the root of the mean square, whichever is more; and all elements together as twice what `naive` is off by. NaN and
 * infinities must be in place, integers equal.
 */
export function compareHalf(
  name: string,
  actual: NumberArray,
  expected: NumberArray,
  naive: NumberArray,
  { shape, dtype }: TensorSpec,
): void {
  if (actual.length !== expected.length) {
    throw new Error(`${name} has ${actual.length} elements, expected ${expected.length}`);
  }
  const { absolute, relative } = isFloatDType(dtype) ? floor[dtype] : { absolute: 0, relative: 0 };
  const width = Math.max(1, shape.at(-1) ?? 1);
  const offBy = (array: NumberArray, i: number) =>
    Number.isFinite(array[i]) && Number.isFinite(expected[i]) ? Math.abs(array[i]! - expected[i]!) : 0;
  let [wrong, first, worst] = [0, -1, 0];
  let [squares, squaresAllowed] = [0, 0];
  for (let start = 0; start < expected.length; start += width) {
    const row = Array.from({ length: Math.min(width, expected.length - start) }, (_, i) => start + i);
    const ofRow = Math.sqrt(row.reduce((sum, i) => sum + offBy(naive, i) ** 2, 0) / row.length);
    const finite = row.filter((i) => Number.isFinite(expected[i]));
    const size = Math.sqrt(finite.reduce((sum, i) => sum + expected[i]! ** 2, 0) / Math.max(1, finite.length));
    for (const i of row) {
      const [a, e] = [actual[i]!, expected[i]!];
      if (Object.is(a, e) || a === e) continue;
      const least = Math.max(absolute, relative * Math.abs(e));
      const allowed = 2 * Math.max(offBy(naive, i), ofRow) + Math.max(least, relative * size);
      const difference = Math.abs(a - e);
      squares += offBy(actual, i) ** 2;
      squaresAllowed += (2 * offBy(naive, i)) ** 2 + least ** 2;
      if (Number.isFinite(e) && difference <= allowed) continue;
      if (wrong++ === 0) first = i;
      worst = Math.max(worst, difference / allowed);
    }
  }
  if (wrong > 0) {
    throw new Error(
      `${name}: ${wrong} of ${expected.length} elements are wrong, first at ${first}: ${actual[first]} instead of ` +
        `${expected[first]}, a naive computation gives ${naive[first]}; at most ${worst.toFixed(1)} times what is allowed`,
    );
  }
  if (squares > squaresAllowed) {
    throw new Error(
      `${name}: all elements together are off by ${Math.sqrt(squares).toExponential(2)}, at most ` +
        `${Math.sqrt(squaresAllowed).toExponential(2)} is allowed: twice what a naive computation is off by`,
    );
  }
}
