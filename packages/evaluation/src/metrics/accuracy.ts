import { checkPairs, type Numbers } from './pairs.ts';

/**
 * Share of predicted labels that are the expected ones.
 *
 * @param predicted numbers of labels
 * @param expected numbers of labels, as many
 * @returns 0 to 1
 * @throws FlashMLAError 'invalid-argument' when there are none, or not equally many
 */
export function accuracy(predicted: Numbers, expected: Numbers): number {
  checkPairs('accuracy', predicted, expected);
  let right = 0;
  for (let i = 0; i < expected.length; i++) if (predicted[i] === expected[i]) right++;
  return right / expected.length;
}
