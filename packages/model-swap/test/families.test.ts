import {
  type Backend,
  bfloat16ToFloat32,
  float16ToFloat32,
  float32ToBfloat16,
  float32ToFloat16,
  type HostTensor,
  tensor,
} from '@flashmla/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type EncoderModel, loadModel, type TextInput } from '../src/index.ts';
import { openTestBackend } from './support/backend.ts';
import { activations, bertForward, distilbertForward, type Expected, robertaForward } from './support/float64.ts';
import {
  filesOf,
  folderOf,
  SIZES,
  type TinyModel,
  tinyBert,
  tinyDistilbert,
  tinyRoberta,
} from './support/tiny-models.ts';

let backend: Backend;
beforeAll(async () => {
  backend = await openTestBackend();
});
afterAll(() => backend.dispose());

const bertSizes = { heads: SIZES.heads, layers: SIZES.layers, epsilon: 1e-12 };
const TEXTS: TextInput[] = [
  'the film was very good',
  '',
  ['not a good film', 'the film was bad'],
  'a film and a film, and goodly ending!',
];

function expectClose(given: ArrayLike<number>, expected: readonly number[], tolerance: number): void {
  expect(given.length).toBe(expected.length);
  const worst = expected.reduce(
    (most, value, i) => Math.max(most, Math.abs(given[i]! - value) / (1 + Math.abs(value))),
    0,
  );
  expect(worst).toBeLessThanOrEqual(tolerance);
}

/** Runs texts through `model` and compares every output with `forward` of each text alone. */
async function expectSame(
  model: EncoderModel,
  forward: (ids: number[], types: number[]) => Expected,
  texts: readonly TextInput[] = TEXTS,
): Promise<void> {
  const tolerance = 2e-5;
  const { lastHiddenState, pooled, logits, tokens, labels } = await model.run(texts);
  const encoded = model.encode(texts);
  const [batch, longest, modelDim] = lastHiddenState.shape as [number, number, number];
  expect([batch, longest]).toEqual([texts.length, Math.max(...tokens)]);
  encoded.forEach(({ ids, types }, text) => {
    const expected = forward([...ids], [...types]);
    const row = (from: HostTensor, width: number) =>
      from.array.subarray(text * width, (text + 1) * width) as Float32Array;
    expect(tokens[text]).toBe(ids.length);
    const hidden = row(lastHiddenState, longest * modelDim);
    expectClose(hidden.subarray(0, ids.length * modelDim), expected.hidden.flat(), tolerance);
    expect(hidden.subarray(ids.length * modelDim).every((value) => value === 0)).toBe(true);
    expect(pooled !== undefined).toBe(expected.pooled !== undefined);
    if (pooled) expectClose(row(pooled, modelDim), expected.pooled!, tolerance);
    expect(logits !== undefined).toBe(expected.logits !== undefined);
    if (logits) {
      expectClose(row(logits, 3), expected.logits!, tolerance);
      const best = expected.logits!.indexOf(Math.max(...expected.logits!));
      expect(labels![text]).toBe(['negative', 'neutral', 'positive'][best]);
    }
  });
}

const load = (model: TinyModel) => loadModel(filesOf(model), { backend });

describe('families, against an independent float64 forward', () => {
  it('BERT', async () => {
    const tiny = tinyBert();
    const model = await load(tiny);
    expect(model.labels).toEqual(['negative', 'neutral', 'positive']);
    await expectSame(model, (ids, types) => bertForward(tiny.tensors, ids, types, bertSizes));
    await model.dispose();
  });

  it.each(['roberta', 'xlm-roberta'] as const)('%s', async (modelType) => {
    const tiny = tinyRoberta(modelType);
    const model = await load(tiny);
    expect(model.architecture.maxTokens).toBe(SIZES.positions - 2);
    const forward = (ids: number[]) => robertaForward(tiny.tensors, ids, 1, { ...bertSizes, epsilon: 1e-5 });
    await expectSame(model, forward);
    await expectSame(model, forward, ['the<pad>good film', 'a good film']);
    await model.dispose();
  });

  it('DistilBERT', async () => {
    const tiny = tinyDistilbert();
    const model = await load(tiny);
    await expectSame(model, (ids) => distilbertForward(tiny.tensors, ids, bertSizes));
    await model.dispose();
  });

  it.each(['gelu_new', 'relu'])('BERT with %s', async (activation) => {
    const tiny = tinyBert();
    tiny.config.hidden_act = activation;
    const model = await load(tiny);
    await expectSame(model, (ids, types) => bertForward(tiny.tensors, ids, types, bertSizes, activations[activation]));
    await model.dispose();
  });

  it('a bare BertModel: names without prefix, LayerNorm.gamma and beta, with and without pooler', async () => {
    const tiny = tinyBert();
    tiny.config.architectures = ['BertModel'];
    const bare = [...tiny.tensors]
      .filter(([name]) => !name.startsWith('classifier'))
      .map(([name, values]) => {
        const old = name.replace(/LayerNorm\.weight$/, 'LayerNorm.gamma').replace(/LayerNorm\.bias$/, 'LayerNorm.beta');
        return [old.replace(/^bert\./, ''), values] as const;
      });
    const expected = (ids: number[], types: number[]) => bertForward(tiny.tensors, ids, types, bertSizes);
    const model = await load({ ...tiny, tensors: new Map(bare) });
    expect(model.labels).toEqual([]);
    await expectSame(model, (ids, types) => ({ ...expected(ids, types), logits: undefined }));
    await model.dispose();
    const poolerless = await load({ ...tiny, tensors: new Map(bare.filter(([name]) => !name.startsWith('pooler'))) });
    await expectSame(poolerless, (ids, types) => ({ hidden: expected(ids, types).hidden }));
    await poolerless.dispose();
  });

  it('a head of another task is not taken for a sequence classifier', async () => {
    const tiny = tinyBert();
    tiny.config.architectures = ['BertForQuestionAnswering'];
    const model = await load(tiny);
    expect((await model.run('good')).logits).toBeUndefined();
    await model.dispose();
  });
});

describe('how weights are stored', () => {
  it.each([
    ['float16', float32ToFloat16, float16ToFloat32],
    ['bfloat16', float32ToBfloat16, bfloat16ToFloat32],
  ] as const)('%s', async (dtype, narrow, widen) => {
    const tiny = tinyBert();
    const stored = new Map<string, HostTensor>();
    const rounded = new Map<string, HostTensor>();
    for (const [name, { array, shape }] of tiny.tensors) {
      const half = narrow(array as Float32Array);
      stored.set(name, tensor(half, shape, dtype));
      rounded.set(name, tensor(widen(half), shape));
    }
    const model = await load({ ...tiny, tensors: stored });
    await expectSame(model, (ids, types) => bertForward(rounded, ids, types, bertSizes));
    await model.dispose();
  });

  it('in shards, from a folder on the disk', async () => {
    const tiny = tinyBert();
    const files = filesOf(tiny);
    const shards = [new Map<string, HostTensor>(), new Map<string, HostTensor>()];
    const weightMap: Record<string, string> = {};
    [...tiny.tensors].forEach(([name, values], i) => {
      shards[i % 2]!.set(name, values);
      weightMap[name] = `model-0000${(i % 2) + 1}-of-00002.safetensors`;
    });
    const folder = await folderOf({
      'config.json': files['config.json']!,
      'tokenizer.json': files['tokenizer.json']!,
      'model-00001-of-00002.safetensors': filesOf({ ...tiny, tensors: shards[0]! })['model.safetensors']!,
      'model-00002-of-00002.safetensors': filesOf({ ...tiny, tensors: shards[1]! })['model.safetensors']!,
      'model.safetensors.index.json': JSON.stringify({ weight_map: weightMap }),
    });
    const model = await loadModel(folder, { backend });
    await expectSame(model, (ids, types) => bertForward(tiny.tensors, ids, types, bertSizes));
    await model.dispose();
  });
});
