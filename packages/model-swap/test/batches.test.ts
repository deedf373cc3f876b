import { randomSource } from '@flashmla/tensor';
import { describe, expect, it } from 'vitest';
import { planBatches } from '../src/batches.ts';

const paddingOf = (batch: number[], lengths: number[]) => {
  const present = batch.reduce((sum, text) => sum + lengths[text]!, 0);
  return 1 - present / (batch.length * Math.max(...batch.map((text) => lengths[text]!)));
};

describe('planBatches', () => {
  it('puts every text into exactly one batch, within the padding and token bounds', () => {
    const random = randomSource(1);
    const lengths = Array.from({ length: 500 }, () => 1 + Math.floor(random() ** 3 * 6000));
    const batches = planBatches(lengths);
    expect(batches.flat().sort((a, b) => a - b)).toEqual(lengths.map((_, text) => text));
    for (const batch of batches) {
      expect(paddingOf(batch, lengths)).toBeLessThanOrEqual(0.12);
      const padded = batch.length * lengths[batch[0]!]!;
      if (batch.length > 1) expect(padded).toBeLessThanOrEqual(4096);
    }
    expect(batches.length).toBeLessThan(lengths.length / 2);
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
