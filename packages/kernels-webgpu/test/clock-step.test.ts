// How finely a device tells the time, found from the times it told.

import { expect, it } from 'vitest';
import { clockStep } from '../src/gpu-recording.ts';

const times = (...values: number[]) => values.map((value) => 1_000_000_000_007n + BigInt(value));

it('is what all differences are multiples of', () => {
  expect(clockStep(times(0, 3, 1, 2, 4, 6, 8, 7, 7))).toBe(1);
  expect(clockStep(times(0, 300_000, 100_000, 200_000, 400_000, 600_000, 800_000, 700_000))).toBe(100_000);
  // Chromium clears the lower bits.
  const rounded = times(1, 70_000, 150_000, 222_222, 900_000, 1_000_000, 5_000_000, 5_100_000, 5_900_000);
  expect(clockStep(rounded.map((time) => time & ~0xffffn))).toBe(65_536);
});

it('is not told from few times', () => {
  expect(clockStep([])).toBe(0);
  expect(clockStep(times(0, 100_000, 200_000, 200_000, 300_000))).toBe(0);
});
