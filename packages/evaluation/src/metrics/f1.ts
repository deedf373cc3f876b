import { checkBinary, type Numbers } from './pairs.ts';

/**
 * F1 of the label 1: the harmonic mean of precision and recall, 2·TP ÷ (2·TP + FP + FN) (van Rijsbergen, Information
 * Retrieval, 1979, ch. 7, as 1 − E with α = ½).
 *
 * @param predicted labels, 0 or 1
 * @param expected labels, 0 or 1, as many
 * @returns 0 to 1; 0 where 1 is neither predicted nor expected, as scikit-learn has it
 * @throws FlashMLAError 'invalid-argument' when there are none, not equally many, or others than 0 and 1
 */
export function f1(predicted: Numbers, expected: Numbers): number {
  checkBinary('f1', predicted, expected);
  let both = 0;
  let either = 0;
  for (let i = 0; i < expected.length; i++) {
    both += predicted[i]! * expected[i]!;
    either += predicted[i]! + expected[i]!;
  }
  // Each true positive is in `either` twice, each false one and each miss once.
  return either === 0 ? 0 : (2 * both) / either;
}
