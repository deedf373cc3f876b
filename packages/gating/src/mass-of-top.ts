// What a list of the best-scored keys holds.

import { kthLargest } from './kth-largest.ts';

/** Sum of `attention` over the k largest `scores`; the first of equals. */
export function massOfTop(scores: Float64Array, attention: Float64Array, k: number): number {
  const threshold = kthLargest(scores, k);
  let mass = 0;
  let left = k;
  for (let key = 0; key < scores.length; key++) {
    if (scores[key] <= threshold) continue;
    mass += attention[key];
    left--;
  }
  for (let key = 0; key < scores.length && left > 0; key++) {
    if (scores[key] !== threshold) continue;
    mass += attention[key];
    left--;
  }
  return mass;
}
