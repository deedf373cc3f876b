import { expect, test } from 'vitest';
import { crossoverOf } from '../src/crossover.ts';

const points = (...all: [tokens: number, denseMs: number, sparseMs: number][]) =>
  all.map(([tokens, denseMs, sparseMs]) => ({ tokens, denseMs, sparseMs }));

test('the lines cross between the last length at which dense is faster and the next', () => {
  expect(crossoverOf(points([128, 1, 2], [256, 4, 4], [512, 16, 8]))).toBe(256);
  expect(crossoverOf(points([128, 1, 2], [512, 4, 2]))).toBe(256);
  // Faster for a while, by chance: what counts is that it stays so.
  expect(crossoverOf(points([128, 2, 1], [256, 2, 4], [1024, 8, 4]))).toBe(512);
});

test('there is none where one is faster at every length, or dense at the longest', () => {
  expect(crossoverOf([])).toBeUndefined();
  expect(crossoverOf(points([128, 2, 1], [256, 4, 1]))).toBeUndefined();
  expect(crossoverOf(points([128, 2, 1], [256, 1, 4]))).toBeUndefined();
});
