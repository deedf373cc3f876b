import { checkFinite, type Numbers } from './pairs.ts';

/**
 * Pearson's correlation: the covariance of both, divided by the standard deviation of each (Pearson 1895, Proceedings of
 * the Royal Society 58).
 *
 * @param predicted scores
 * @param expected scores, as many
 * @returns −1 to 1; NaN where all predicted scores or all expected ones are the same: there is no correlation then
 * @throws FlashMLAError 'invalid-argument' when there are none, not equally many, or one is not finite
 */
export function pearson(predicted: Numbers, expected: Numbers): number {
  checkFinite('pearson', predicted, expected);
  // Asked of the values: the variance of equal ones may be a rounding error instead of 0.
  if (isConstant(predicted) || isConstant(expected)) return Number.NaN;
  const [meanPredicted, meanExpected] = [mean(predicted), mean(expected)];
  let [product, squarePredicted, squareExpected] = [0, 0, 0];
  for (let i = 0; i < expected.length; i++) {
    const [x, y] = [predicted[i]! - meanPredicted, expected[i]! - meanExpected];
    product += x * y;
    squarePredicted += x * x;
    squareExpected += y * y;
  }
  const correlation = product / Math.sqrt(squarePredicted * squareExpected);
  return Math.max(-1, Math.min(1, correlation));
}

const isConstant = (values: Numbers): boolean => values.every((value) => value === values[0]);

const mean = (values: Numbers): number => values.reduce((sum, value) => sum + value, 0) / values.length;
