import { expect, test } from 'vitest';
import { lengthScale, timeScale } from '../src/latency-scale.ts';

test('lengths: a tick each, doubling is a step', () => {
  const { at, ticks } = lengthScale([128, 256, 512]);
  expect(ticks).toEqual([128, 256, 512]);
  expect(ticks.map(at)).toEqual([0, 0.5, 1]);
  expect(lengthScale([300]).at(300)).toBe(0.5);
});

test('times: round numbers around the values', () => {
  expect(timeScale([12, 93]).ticks).toEqual([10, 20, 50, 100]);
  expect(timeScale([0.7, 1.5]).ticks).toEqual([0.5, 1, 2]);
  expect(timeScale([2, 1900]).ticks).toEqual([10, 100, 1000]);
  expect(timeScale([20, 20]).ticks).toEqual([20]);
  const { at } = timeScale([12, 93]);
  expect([10, 100].map(at)).toEqual([0, 1]);
});
