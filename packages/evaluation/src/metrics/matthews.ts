import { checkBinary, type Numbers } from './pairs.ts';
import { pearson } from './pearson.ts';

/**
 * Matthews' correlation coefficient of two labels (Matthews 1975, Biochimica et Biophysica Acta 405):
 * (TP·TN − FP·FN) ÷ √((TP + FP)(TP + FN)(TN + FP)(TN + FN)), which is Pearson's correlation of the labels as numbers.
 *
 * @param predicted labels, 0 or 1
 * @param expected labels, 0 or 1, as many
 * @returns −1 to 1; 0 where all predicted labels or all expected ones are the same, as scikit-learn has it
 * @throws FlashMLAError 'invalid-argument' when there are none, not equally many, or others than 0 and 1
 */
export function matthews(predicted: Numbers, expected: Numbers): number {
  checkBinary('matthews', predicted, expected);
  const correlation = pearson(predicted, expected);
  return Number.isNaN(correlation) ? 0 : correlation;
}
