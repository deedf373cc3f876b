// How far two outputs of the same computation are apart.

/** ‖given − expected‖ ÷ ‖expected‖. */
export function relativeError(given: Float32Array, expected: Float32Array): number {
  let [difference, norm] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    difference += (given[i]! - expected[i]!) ** 2;
    norm += expected[i]! ** 2;
  }
  return Math.sqrt(difference / norm);
}

/** The largest |given − expected|, in units of the root mean square of `expected`. NaN and missing elements count. */
export function largestDifference(given: Float32Array, expected: Float32Array): number {
  if (given.length !== expected.length) return Number.POSITIVE_INFINITY;
  let [largest, norm] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    largest = Math.max(largest, Math.abs(given[i]! - expected[i]!));
    norm += expected[i]! ** 2;
  }
  return largest / Math.sqrt(norm / expected.length);
}
