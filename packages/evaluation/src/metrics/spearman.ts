import { checkFinite, type Numbers } from './pairs.ts';
import { pearson } from './pearson.ts';

/**
 * Spearman's rank correlation: Pearson's correlation of the ranks (Spearman 1904, American Journal of Psychology 15). Equal
 * values share the mean of their ranks.
 *
 * @param predicted scores
 * @param expected scores, as many
 * @returns −1 to 1; NaN where all predicted scores or all expected ones are the same: there is no correlation then
 * @throws FlashMLAError 'invalid-argument' when there are none, not equally many, or one is not finite
 */
export function spearman(predicted: Numbers, expected: Numbers): number {
  checkFinite('spearman', predicted, expected);
  return pearson(ranks(predicted), ranks(expected));
}

/** The rank of each value, from 0; the mean rank for equal ones. */
function ranks(values: Numbers): number[] {
  const order = values.map((_, index) => index).sort((a, b) => values[a]! - values[b]!);
  const result = new Array<number>(values.length);
  for (let start = 0; start < order.length; ) {
    let end = start + 1;
    while (end < order.length && values[order[end]!] === values[order[start]!]) end++;
    for (let place = start; place < end; place++) result[order[place]!] = (start + end - 1) / 2;
    start = end;
  }
  return result;
}
