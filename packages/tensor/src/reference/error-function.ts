// The complementary error function in float64, for the exact GELU.

/**
 * erfc(x) = 2/√π · ∫ₓ^∞ exp(−t²) dt, to about 1e-15 relative.
 *
 * Below 2.5 by the series of Abramowitz & Stegun 7.1.6 (positive terms only, so nothing cancels), above it by their
 * continued fraction 7.1.14, evaluated from its tail.
 */
export function complementaryErrorFunction(x: number): number {
  if (x < 0) return 2 - complementaryErrorFunction(-x);
  if (x < 2.5) {
    let term = x;
    let sum = x;
    for (let n = 1; term > sum * 1e-18; n++) {
      term *= (2 * x * x) / (2 * n + 1);
      sum += term;
    }
    return 1 - (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
  }
  let tail = x;
  for (let n = 60; n >= 1; n--) tail = x + n / 2 / tail;
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / tail;
}
