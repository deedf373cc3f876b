import { randomSource } from '@flashmla/tensor';
import { describe, expect, it } from 'vitest';
import { planBatches, planPacked } from '../src/batches.ts';

/** What the plan keeps least: padded tokens, and 48 for each batch. */
const costOf = (batches: readonly number[][], lengths: readonly number[]) =>
  batches.reduce((sum, batch) => sum + batch.length * Math.max(...batch.map((text) => lengths[text]!)) + 48, 0);

/** All ways to cut `texts` into pieces. */
function* cuts(texts: readonly number[]): Generator<number[][]> {
  if (texts.length === 0) yield [];
  for (let length = 1; length <= texts.length; length++) {
    for (const rest of cuts(texts.slice(length))) yield [texts.slice(0, length), ...rest];
  }
}

describe('planBatches', () => {
  it('puts every text into exactly one batch, within the bound of tokens', () => {
    const random = randomSource(1);
    const lengths = Array.from({ length: 500 }, () => 1 + Math.floor(random() ** 3 * 6000));
    const batches = planBatches(lengths);
    expect(batches.flat().sort((a, b) => a - b)).toEqual(lengths.map((_, text) => text));
    for (const batch of batches) {
      const padded = batch.length * lengths[batch[0]!]!;
      if (batch.length > 1) expect(padded).toBeLessThanOrEqual(4096);
    }
    expect(batches.length).toBeLessThan(lengths.length / 2);
  });

  it('pads where that costs less than a batch more, as the best of all cuts does', () => {
    const random = randomSource(2);
    for (let round = 0; round < 20; round++) {
      // Between 65 and 128: of one class, and never too many tokens.
      const lengths = Array.from({ length: 9 }, () => 65 + Math.floor(random() * 64));
      const sorted = lengths.map((_, text) => text).sort((a, b) => lengths[b]! - lengths[a]!);
      const least = Math.min(...[...cuts(sorted)].map((batches) => costOf(batches, lengths)));
      expect(costOf(planBatches(lengths), lengths)).toBe(least);
    }
    expect(planBatches([10, 20])).toEqual([[1, 0]]);
    expect(planBatches([20, 120])).toEqual([[1], [0]]);
  });

  it('batches texts of one length together and gives a very long text a batch of its own', () => {
    expect(planBatches([10, 10, 10])).toEqual([[0, 1, 2]]);
    expect(planBatches([10, 9000, 10])).toEqual([[1], [0, 2]]);
    expect(planBatches([])).toEqual([]);
  });

  it('keeps texts apart for which gates choose differently', () => {
    expect(planBatches([130, 128, 128, 127])).toEqual([[0], [1, 2, 3]]);
    expect(planBatches([1025, 1024, 1023])).toEqual([[0], [1, 2]]);
  });
});

describe('planPacked', () => {
  it('fills batches up to the bound of tokens, longest first, whatever the lengths', () => {
    const lengths = [130, 4000, 7, 96, 7, 9000, 300];
    expect(planPacked(lengths)).toEqual([[5], [1], [6, 0, 3, 2, 4]]);
    expect(planPacked([4000, 90, 6])).toEqual([[0, 1, 2]]);
    expect(planPacked([])).toEqual([]);
  });
});
