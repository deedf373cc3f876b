import { tensor } from '@flashmla/tensor';
import { describe, expect, it } from 'vitest';
import { maskedLanguageModel } from '../src/heads/masked-language-model.ts';
import { sequenceClassification } from '../src/heads/sequence-classification.ts';
import { tokenClassification } from '../src/heads/token-classification.ts';
import { train } from '../src/train.ts';
import type { TrainOptions, TrainProgress } from '../src/train-options.ts';
import { openBackend, openModel, texts } from './tiny.ts';

const backend = openBackend();

const options = { epochs: 6, batchTokens: 256, learningRate: 2e-3, dropout: 0.05 } satisfies TrainOptions;

/** A checkpoint in memory. */
function memoryStore() {
  const store = {
    bytes: undefined as Uint8Array | undefined,
    load: async () => store.bytes,
    save: async (bytes: Uint8Array) => {
      store.bytes = bytes;
    },
  };
  return store;
}

async function trained(more: TrainOptions, head = sequenceClassification, examples = texts(200)) {
  using model = await openModel(backend.current, head);
  const report = await train(model, examples, { ...options, ...more });
  return { report, weights: await model.weights() };
}

describe('train', () => {
  it.each<[string, TrainOptions]>([
    ['dense', {}],
    ['through sparse attention', { sparse: { k: 8, after: 0.2, learnEvery: 5 } }],
    ['with activations in bfloat16', { activations: 'bfloat16' }],
    ['with activations in float16', { activations: 'float16' }],
    ['with gradients of several batches', { accumulate: 2, batchTokens: 128 }],
  ])('learns: %s', async (_, more) => {
    const { report } = await trained({ epochs: 8, ...more });
    expect(report.epochs[0]!.loss).toBeGreaterThan(0.6);
    expect(report.epochs.at(-1)!.loss).toBeLessThan(0.35);
  });

  it('gives the same bits for the same seed, and others for another', async () => {
    const [first, again, other] = [await trained({}), await trained({}), await trained({ seed: 1 })];
    expect(again.weights).toEqual(first.weights);
    expect(other.weights).not.toEqual(first.weights);
  });

  it.each<[string, TrainOptions]>([
    ['dense', {}],
    [
      'sparse, gates learning along, in float16',
      { sparse: { k: 8, after: 0.2, learnEvery: 3 }, activations: 'float16' },
    ],
  ])('goes on after an interruption at any step as if there had been none: %s', async (_, more) => {
    const short = { epochs: 2, ...more };
    const whole = await trained(short);
    for (const interrupted of [1, 7, whole.report.steps - 1]) {
      const store = memoryStore();
      const controller = new AbortController();
      const progress = ({ step }: TrainProgress) => step === interrupted && controller.abort(new Error('enough'));
      const part = trained({ ...short, checkpoint: { store }, progress, signal: controller.signal });
      await expect(part).rejects.toThrow('enough');
      const steps: number[] = [];
      const rest = await trained({ ...short, checkpoint: { store }, progress: ({ step }) => steps.push(step) });
      expect(steps[0]).toBe(interrupted + 1);
      expect(rest.weights).toEqual(whole.weights);
      expect(rest.report.epochs).toEqual(whole.report.epochs);
      expect(rest.report.gates).toEqual(whole.report.gates);
    }
  });

  it('refuses the checkpoint of another training', async () => {
    const store = memoryStore();
    await trained({ steps: 3, checkpoint: { store, everySteps: 2 } });
    const other = trained({ steps: 3, learningRate: 1e-3, checkpoint: { store } });
    await expect(other).rejects.toThrow('the checkpoint is of a training with another model');
  });

  it('learns which words are hidden, and what each token is', async () => {
    // A text of pairs: an even word is followed by the next one.
    const pairs = texts(150, { least: 12, most: 12 }).map(({ ids, types }) => {
      const even = ids.map((_, i) => 6 + 2 * Math.floor((ids[i - (i % 2)]! - 5) / 4));
      return { ids: even.map((id, i) => id + (i % 2)), types };
    });
    const words = await trained(
      { epochs: 30, batchTokens: 600, learningRate: 3e-3, dropout: 0 },
      maskedLanguageModel({ maskToken: 3, specialTokens: [0, 1, 2] }),
      pairs,
    );
    expect(words.report.epochs.at(-1)!.loss).toBeLessThan(0.7 * words.report.epochs[0]!.loss);
    const tokens = texts(100).map((text) => ({
      ...text,
      target: text.ids.map((id) => (id % 5 === 0 ? -100 : id % 2)),
    }));
    const classes = await trained({ epochs: 8 }, tokenClassification, tokens);
    expect(classes.report.epochs.at(-1)!.loss).toBeLessThan(0.1);
  });

  it('leaves no tensor behind, and none after an abort', async () => {
    const before = backend.current.memory().usedBytes;
    await trained({ epochs: 1, sparse: { k: 8, learnEvery: 2 } });
    expect(backend.current.memory().usedBytes).toBe(before);
    const controller = new AbortController();
    const progress = () => controller.abort(new Error('enough'));
    await expect(trained({ progress, signal: controller.signal })).rejects.toThrow('enough');
    expect(backend.current.memory().usedBytes).toBe(before);
  });

  it('skips a step whose gradients are no numbers', async () => {
    using model = await openModel(backend.current);
    const reports: TrainProgress[] = [];
    const bias = model.parameters.find(({ name }) => name === 'classifier.bias')!;
    model.replace(bias, tensor(Float32Array.of(Number.NaN, 0), [2]));
    const before = await model.weights();
    await train(model, texts(4), { steps: 1, progress: (progress) => reports.push(progress) });
    expect(reports.map(({ skipped }) => skipped)).toEqual([true]);
    expect(await model.weights()).toEqual(before);
  });

  it.each<[string, TrainOptions, string]>([
    ['epochs', { epochs: 0 }, 'epochs is the number 0; expected a whole number ≥ 1'],
    ['learningRate', { learningRate: Number.NaN }, 'learningRate is the number NaN; expected a number > 0'],
    ['dropout', { dropout: 1 }, 'dropout is the number 1; expected a number from 0 to below 1'],
    [
      'activations',
      { activations: 'float64' as never },
      "activations is the string 'float64'; expected one of float32",
    ],
    ['gate', { sparse: { gate: 'static' } }, "gate is 'static', which has nothing to learn"],
  ])('says what is wrong with %s', async (_, wrong, message) => {
    await expect(trained(wrong)).rejects.toThrow(message);
  });

  it('says which example is wrong, and why', async () => {
    const [text] = texts(1);
    const wrong = (example: object) => trained({}, sequenceClassification, [text!, { ...text!, ...example }]);
    await expect(wrong({ target: 2 })).rejects.toThrow(
      'example 1 has the target 2; expected the number of a label, 0 to 1',
    );
    await expect(wrong({ ids: Int32Array.of(50) })).rejects.toThrow('example 1 has the token id 50; the model has 50');
    await expect(wrong({ ids: new Int32Array(65) })).rejects.toThrow('example 1 has 65 tokens; the model takes 64');
    await expect(trained({}, sequenceClassification, [])).rejects.toThrow('there are no examples');
  });
});
