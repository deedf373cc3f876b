// Are the gradients of a whole model those of its loss? Along the gradient g the loss changes by ε·|g|² with the step ε·g,
// whatever the model is made of.

import { type Backend, type FloatDType, tensor } from '@flashmla/tensor';
import { describe, expect, it } from 'vitest';
import { encode, type ForwardOptions } from '../src/encoder.ts';
import type { Example } from '../src/example.ts';
import type { Head } from '../src/heads/head.ts';
import { maskedLanguageModel } from '../src/heads/masked-language-model.ts';
import { sequenceClassification } from '../src/heads/sequence-classification.ts';
import { tokenClassification } from '../src/heads/token-classification.ts';
import type { TrainableModel } from '../src/model.ts';
import { Gradients } from '../src/pass/gradients.ts';
import { crossEntropy, dropout, gatherRows, squaredError } from '../src/pass/steps.ts';
import { Tape } from '../src/pass/tape.ts';
import type { Value } from '../src/pass/value.ts';
import { SparseTraining } from '../src/sparse-training.ts';
import { openBackend, openModel, texts } from './tiny.ts';

const backend = openBackend();

async function loss(
  model: TrainableModel,
  examples: readonly Example[],
  options: ForwardOptions,
  gradients?: Gradients,
  { on = backend.current, activations }: { on?: Backend; activations?: FloatDType } = {},
) {
  const { architecture, encoder, head, headParts } = model;
  let draws = 0;
  const batch = head.batch(examples, architecture, () => (draws++ * 0.37) % 1);
  using tape = new Tape(on, { gradients, activations });
  const select = options.select;
  const hidden = await encode(tape, architecture, encoder, batch.texts, { ...options, select });
  const drop = (value: Value) => dropout(tape, value, options.dropout ?? 0, 11);
  const read = await gatherRows(tape, hidden, batch.rows);
  const logits = await head.logits(tape, read, { architecture, parts: headParts, word: encoder.embedding.word }, drop);
  const scale = 1 / batch.rows.length;
  const losses =
    batch.targets instanceof Int32Array
      ? await crossEntropy(tape, logits, batch.targets, scale)
      : await squaredError(tape, logits, batch.targets, scale);
  if (gradients) await tape.backward();
  const values = (await losses.data()) as Float32Array;
  return values.reduce((sum, one) => sum + one, 0) * scale;
}

/** Moves every parameter by `by` times its gradient. */
async function move(model: TrainableModel, gradients: ReadonlyMap<string, Float32Array>, by: number) {
  for (const parameter of model.parameters) {
    const gradient = gradients.get(parameter.name);
    if (!gradient) continue;
    const values = ((await parameter.tensor.data()) as Float32Array).map((value, i) => value + by * gradient[i]!);
    model.replace(parameter, tensor(values, parameter.tensor.shape));
  }
}

async function checkGradients(model: TrainableModel, examples: readonly Example[], options: ForwardOptions = {}) {
  const gradients = new Gradients(backend.current);
  await loss(model, examples, options, gradients);
  const found = new Map<string, Float32Array>();
  for (const parameter of model.parameters) {
    const gradient = gradients.of(parameter);
    if (gradient) found.set(parameter.name, (await gradient.data()) as Float32Array);
  }
  const squaredNorm = await gradients.squaredNorm();
  gradients.clear();
  const step = 0.01 / Math.sqrt(squaredNorm);
  await move(model, found, step);
  const above = await loss(model, examples, options);
  await move(model, found, -2 * step);
  const below = await loss(model, examples, options);
  const slope = (above - below) / (2 * step);
  expect(squaredNorm).toBeGreaterThan(1e-6);
  expect(Math.abs(slope / squaredNorm - 1)).toBeLessThan(5e-3);
  return found;
}

/** Gradients by parameter, with dropout. */
async function gradientsOf(on: Backend, model: TrainableModel, examples: readonly Example[], activations: FloatDType) {
  const gradients = new Gradients(on);
  await loss(model, examples, { dropout: 0.1, seed: 3 }, gradients, { on, activations });
  const found = new Map<string, Float32Array>();
  for (const parameter of model.parameters) {
    const gradient = gradients.of(parameter);
    if (gradient) found.set(parameter.name, (await backend.current.read(gradient)) as Float32Array);
  }
  gradients.clear();
  return found;
}

const boundTo = (target: object, name: string | symbol) => {
  const value: unknown = Reflect.get(target, name, target);
  return typeof value === 'function' ? value.bind(target) : value;
};

/** ‖a − b‖ ÷ ‖b‖, of all parameters together: that of keys' biases is 0 but for rounding. */
function distance(a: ReadonlyMap<string, Float32Array>, b: ReadonlyMap<string, Float32Array>): number {
  let [difference, size] = [0, 0];
  for (const [name, values] of b) {
    const others = a.get(name)!;
    values.forEach((value, i) => {
      difference += (others[i]! - value) ** 2;
      size += value ** 2;
    });
  }
  return Math.sqrt(difference / size);
}

const scores = () => texts(6).map((text, i) => ({ ...text, target: i / 3 }));
const labelled = () =>
  texts(4).map((text) => ({ ...text, target: text.ids.map((id) => (id % 3 === 0 ? -100 : id % 2)) }));

const heads: readonly [string, Head, object, () => Example[]][] = [
  ['sequence classification', sequenceClassification, {}, () => texts(6)],
  ['sequence classification of DistilBERT', sequenceClassification, distilbert(), () => texts(6)],
  ['a score', sequenceClassification, { num_labels: 1 }, scores],
  ['token classification', tokenClassification, {}, labelled],
  ['masked words', maskedLanguageModel({ maskToken: 3, specialTokens: [0, 1, 2] }), {}, () => texts(4)],
];

function distilbert() {
  return {
    ...{ model_type: 'distilbert', dim: 32, n_heads: 2, hidden_dim: 48, n_layers: 2 },
    ...{ activation: 'relu', type_vocab_size: undefined },
  };
}

describe('the gradient of a model', () => {
  it.each(heads)('is that of its loss: %s', async (_, head, more, examples) => {
    using model = await openModel(backend.current, head, more);
    const found = await checkGradients(model, examples());
    // Nothing is left out, but for BERT's second token type, which no text here has: its rows are zero, not missing.
    expect([...found.keys()].sort()).toEqual(model.parameters.map(({ name }) => name).sort());
  });

  it('is that of its loss under dropout, with the same seed', async () => {
    using model = await openModel(backend.current);
    await checkGradients(model, texts(6), { dropout: 0.2, seed: 5 });
  });

  it.each(['float32', 'bfloat16'] as const)(
    'is the same with the feed-forward network in pieces of rows: %s',
    async (activations) => {
      using model = await openModel(backend.current);
      // 70 × 32 rows: two pieces and a part.
      const examples = texts(70, { least: 32, most: 32 });
      const inPieces = await gradientsOf(backend.current, model, examples, activations);
      const withoutViews = new Proxy(backend.current, {
        get: (target, name) => (name === 'rows' ? undefined : boundTo(target, name)),
      });
      const whole = await gradientsOf(withoutViews, model, examples, activations);
      const tolerance = activations === 'float32' ? 1e-5 : 0.02;
      expect([...inPieces.keys()]).toEqual([...whole.keys()]);
      expect(distance(inPieces, whole)).toBeLessThan(tolerance);
    },
  );

  it.each(['lists', 'blocks'] as const)('is that of its loss through sparse attention: %s', async () => {
    using model = await openModel(backend.current);
    using sparse = new SparseTraining(backend.current, model.architecture, { k: 8 }, 0);
    const examples = texts(4, { least: 24, most: 40 });
    // What the gates select must not change with the step, as it does not in the gradient.
    const kept = new Map<number, Promise<Awaited<ReturnType<SparseTraining['select']>>>>();
    const held = new Tape(backend.current);
    const select: ForwardOptions['select'] = async (reads) => {
      const first = kept.get(reads.layer) ?? sparse.select(held, reads);
      kept.set(reads.layer, first);
      const selection = await first;
      return selection && { ...selection, dispose() {}, [Symbol.dispose]() {} };
    };
    await checkGradients(model, examples, { select });
    for (const selection of await Promise.all(kept.values())) selection?.dispose();
  });
});
