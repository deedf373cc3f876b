import type { Backend } from '@flashmla/tensor';
import { describe, expect, it } from 'vitest';
import { trainingProblems } from '../src/backend-check.ts';
import { maskedLanguageModel } from '../src/heads/masked-language-model.ts';
import { checkTrains, type EpochReport, train } from '../src/index.ts';
import { settingsOf } from '../src/train-options.ts';
import { Trainer } from '../src/trainer.ts';
import { validate } from '../src/validation.ts';
import { openBackend, openModel, texts } from './tiny.ts';

const backend = openBackend();
const examples = texts(40, { seed: 3 });
const settings = settingsOf({});

describe('validate', () => {
  it('gives the mean loss and the share of right labels, whatever the batches', async () => {
    using model = await openModel(backend.current);
    await train(model, texts(100), { epochs: 3, learningRate: 2e-3 });
    using trainer = new Trainer(model, { ...settings, sparse: undefined });
    const { logits } = await trainer.evaluate(examples);
    let [loss, right] = [0, 0];
    for (const [row, { target }] of examples.entries()) {
      const [no, yes] = [logits[2 * row]!, logits[2 * row + 1]!];
      const probability = 1 / (1 + Math.exp(target === 1 ? no - yes : yes - no));
      loss -= Math.log(probability) / examples.length;
      if (probability > 0.5) right++;
    }
    for (const batchTokens of [1, 100, 4096]) {
      const measures = await validate(trainer, examples, { batchTokens, isSparse: false });
      expect(measures.loss).toBeCloseTo(loss, 5);
      expect(measures.accuracy).toBe(right / examples.length);
    }
  });

  it('has the squared error of scores, and no accuracy', async () => {
    using model = await openModel(backend.current, undefined, { num_labels: 1 });
    using trainer = new Trainer(model, { ...settings, sparse: undefined });
    const { logits } = await trainer.evaluate(examples);
    const squares = examples.map(({ target }, row) => (logits[row]! - (target as number)) ** 2);
    const mean = squares.reduce((sum, square) => sum + square, 0) / examples.length;
    const { loss, accuracy } = await validate(trainer, examples, { batchTokens: 256, isSparse: false });
    expect(loss).toBeCloseTo(mean, 5);
    expect(accuracy).toBeUndefined();
  });

  it('hides the same words in every call', async () => {
    using model = await openModel(backend.current, maskedLanguageModel({ maskToken: 3, specialTokens: [0, 1, 2] }));
    using trainer = new Trainer(model, { ...settings, sparse: undefined });
    const options = { batchTokens: 256, isSparse: false };
    expect(await validate(trainer, examples, options)).toEqual(await validate(trainer, examples, options));
  });

  it('is done after each epoch, dense, and sparse where the epoch ended so; training is as without', async () => {
    const options = { epochs: 2, batchTokens: 256, sparse: { k: 8, after: 0.6, learnEvery: 3 } };
    using model = await openModel(backend.current);
    const told: EpochReport[] = [];
    const { epochs } = await train(model, texts(60), {
      ...{ ...options, validation: examples },
      epochEnded: (report) => told.push(report),
    });
    expect(told).toEqual(epochs);
    expect(epochs.map(({ validation }) => Object.keys(validation!))).toEqual([['dense'], ['dense', 'sparse']]);
    const { dense, sparse } = epochs[1]!.validation!;
    expect(sparse!.loss).not.toBe(dense.loss);
    expect(sparse!.loss).toBeCloseTo(dense.loss, 1);
    using other = await openModel(backend.current);
    await train(other, texts(60), options);
    expect(await other.weights()).toEqual(await model.weights());
  });
});

describe('checkTrains', () => {
  it('takes a backend that has all ops, and names the first that one lacks', () => {
    expect(() => checkTrains(backend.current)).not.toThrow();
    for (const missing of trainingProblems) {
      const lacking = {
        name: 'webgl',
        supports: (problem: object) =>
          problem === missing
            ? { supported: false, reason: `no ${missing.op} here`, advice: "train on 'cpu'" }
            : { supported: true },
      } as unknown as Backend;
      expect(() => checkTrains(lacking)).toThrow(`[train] webgl can't train: no ${missing.op} here; train on 'cpu'.`);
    }
  });
});
