// Policies by length and the order statistic.

import { randomSource } from '@flashmla/tensor';
import { expect, it } from 'vitest';
import { recommendK, residualGroup } from '../src/index.ts';
import { kthLargest } from '../src/kth-largest.ts';

it('recommends k by length', () => {
  expect([1, 128, 129, 512, 513, 100000].map(recommendK)).toEqual([16, 16, 32, 32, 64, 64]);
});

it('makes at most 32 residual groups, of 16 keys doubled as often as needed', () => {
  expect([0, 1, 512, 513, 1024, 2048, 2049, 4096, 32768].map(residualGroup)).toEqual([
    16, 16, 16, 32, 32, 64, 128, 128, 1024,
  ]);
});

it('finds the k-th largest value, also among equals', () => {
  const random = randomSource(1);
  for (let length = 1; length < 60; length++) {
    const values = Float64Array.from({ length }, () => Math.floor(10 * random()));
    const falling = values.toSorted().reverse();
    for (let k = 1; k <= length; k++) expect(kthLargest(values, k)).toBe(falling[k - 1]);
  }
  expect(kthLargest(Float64Array.of(1, 2), 3)).toBe(Number.NEGATIVE_INFINITY);
});
