// The parts of training that compute nothing on a backend.

import { learningRateAt } from '@flashmla/gating';
import { randomSource } from '@flashmla/tensor';
import { describe, expect, it } from 'vitest';
import { epochBatches } from '../src/epoch.ts';
import { maskedLanguageModel } from '../src/heads/masked-language-model.ts';
import { tokenClassification } from '../src/heads/token-classification.ts';
import { LossScale } from '../src/loss-scale.ts';
import { texts } from './tiny.ts';

describe('the learning rate', () => {
  it('rises, then falls by half a cosine to zero', () => {
    const rates = Array.from({ length: 101 }, (_, step) => learningRateAt(step, 100, 2, 0.1));
    expect(rates[0]).toBeCloseTo(0.2);
    expect(rates[9]).toBe(2);
    expect(rates[55]).toBeCloseTo(1);
    expect(rates[100]).toBeCloseTo(0);
  });
});

describe('the loss scale', () => {
  it('halves with each overflow and doubles after a thousand steps without', () => {
    const scale = new LossScale('float16');
    scale.update(false);
    expect(scale.scale).toBe(2 ** 15);
    for (let step = 0; step < 999; step++) scale.update(true);
    expect(scale.scale).toBe(2 ** 15);
    scale.update(true);
    expect(scale.scale).toBe(2 ** 16);
  });

  it('goes on from its state', () => {
    const [first, second] = [new LossScale('float16'), new LossScale('float16')];
    first.update(false);
    second.restore(first.state());
    expect(second.state()).toEqual(first.state());
  });

  it.each(['float32', 'bfloat16'] as const)('stays 1 in %s', (activations) => {
    const scale = new LossScale(activations);
    scale.update(false);
    expect(scale.scale).toBe(1);
  });
});

describe('the batches of an epoch', () => {
  const lengths = texts(3000, { least: 4, most: 400 }).map(({ ids }) => ids.length);
  const batches = epochBatches(lengths, { batchTokens: 2048, seed: 3, epoch: 0 });

  it('have every example once', () => {
    expect(batches.flat().sort((a, b) => a - b)).toEqual(lengths.map((_, example) => example));
  });

  it('hold at most so many tokens, hardly any of them padding', () => {
    const padded = batches.map((batch) => batch.length * Math.max(...batch.map((example) => lengths[example]!)));
    expect(Math.max(...padded)).toBeLessThanOrEqual(2048);
    const tokens = lengths.reduce((sum, length) => sum + length, 0);
    expect(padded.reduce((sum, one) => sum + one, 0) / tokens).toBeLessThan(1.05);
  });

  it('come in another order in another epoch, and in the same one again', () => {
    expect(epochBatches(lengths, { batchTokens: 2048, seed: 3, epoch: 0 })).toEqual(batches);
    expect(epochBatches(lengths, { batchTokens: 2048, seed: 3, epoch: 1 })).not.toEqual(batches);
  });

  it('have a text longer than a batch alone', () => {
    expect(epochBatches([5000, 3, 4], { batchTokens: 2048, seed: 0, epoch: 0 })).toContainEqual([0]);
  });
});

describe('heads', () => {
  it('hide words as BERT does: 15 %, of which 80 % become the mask, 10 % another word, 10 % stay', () => {
    const head = maskedLanguageModel({ maskToken: 3, specialTokens: [0, 1] });
    const long = texts(1, { least: 60, most: 60 });
    const counts = { hidden: 0, mask: 0, same: 0 };
    const random = randomSource(1);
    const rounds = 500;
    for (let round = 0; round < rounds; round++) {
      const { texts: shown, rows, targets } = head.batch(long, { vocabulary: 50 } as never, random);
      rows.forEach((row, i) => {
        expect(targets[i]).toBe(long[0]!.ids[row]);
        counts.hidden++;
        if (shown[0]!.ids[row] === 3) counts.mask++;
        else if (shown[0]!.ids[row] === targets[i]) counts.same++;
      });
    }
    // One word of each text is certain, the others are hidden by chance.
    expect(counts.hidden / rounds).toBeCloseTo(1 + 59 * 0.15, 0);
    expect(counts.mask / counts.hidden).toBeCloseTo(0.8, 1);
    expect(counts.same / counts.hidden).toBeCloseTo(0.1, 1);
  });

  it('read the tokens that have a label, where padding puts them', () => {
    const examples = [
      { ids: Int32Array.of(5, 6), types: new Int32Array(2), target: Int32Array.of(-100, 1) },
      { ids: Int32Array.of(5, 6, 7), types: new Int32Array(3), target: Int32Array.of(0, -100, 1) },
    ];
    const { rows, targets } = tokenClassification.batch(examples, {} as never, Math.random);
    expect([...rows]).toEqual([1, 3, 5]);
    expect([...targets]).toEqual([1, 0, 1]);
  });
});
