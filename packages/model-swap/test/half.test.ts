// A model in half precision, on a backend that has it: the float64 reference, which rounds what it stores. How near real
// kernels come is the matter of the conformance suite, and of the device tests of kernels-webgpu.

import { referenceBackend } from '@flashmla/conformance';
import { type GateName, gateNames } from '@flashmla/gating';
import { type Backend, castTo, FlashMLAError, type FloatDType, type HostTensor, tensor } from '@flashmla/tensor';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { fitGates, loadModel, planModel, restoreAttention, swapAttention, verifySwap } from '../src/index.ts';
import { openTestBackend } from './support/backend.ts';
import { filesOf, type TinyModel, tinyBert, tinyDistilbert, tinyRoberta } from './support/tiny-models.ts';

const texts = [
  'the film was very good',
  '',
  'not a good film, and the film was very bad',
  'a film and a goodly ending!',
];

let backend: Backend;
beforeAll(() => {
  backend = referenceBackend();
});
afterAll(() => backend.dispose());

/** The model as a file in half precision has it: its weights are numbers that the dtype has, in float32. */
function rounded(tiny: TinyModel, dtype: FloatDType): TinyModel {
  const halves = [...tiny.tensors].map(([name, values]) => [name, castTo(castTo(values, dtype), 'float32')] as const);
  return { ...tiny, tensors: new Map(halves) };
}

/** ‖given − expected‖ ÷ ‖expected‖ */
function relativeError(given: HostTensor, expected: HostTensor): number {
  expect(given.shape).toEqual(expected.shape);
  const [x, y] = [given.array as Float32Array, expected.array as Float32Array];
  const squares = (of: (i: number) => number) => x.reduce((sum, _, i) => sum + of(i) ** 2, 0);
  return Math.sqrt(squares((i) => x[i]! - y[i]!) / squares((i) => y[i]!));
}

// A unit in bfloat16's last place is eight in float16's.
describe.each([
  ['BERT', 'float16', tinyBert(), 0.003],
  ['RoBERTa', 'float16', tinyRoberta(), 0.003],
  ['DistilBERT', 'float16', tinyDistilbert(), 0.003],
  ['BERT', 'bfloat16', tinyBert(), 0.024],
] as const)('%s in %s', (_, dtype, tiny, tolerance) => {
  it('gives what it gives in float32, but for rounding, as float32 tensors, in half the memory', async () => {
    const files = filesOf(rounded(tiny, dtype));
    const before = backend.memory().usedBytes;
    const single = await loadModel(files, { backend });
    const singleBytes = backend.memory().usedBytes - before;
    const half = await loadModel(files, { backend, dtype });
    expect(half.dtype).toBe(dtype);
    expect(backend.memory().usedBytes - before - singleBytes).toBe(singleBytes / 2);
    for (const k of [undefined, 4]) {
      if (k) for (const model of [single, half]) swapAttention(model, { k, crossover: 0 });
      const [expected, given] = [await single.run(texts), await half.run(texts)];
      for (const name of ['lastHiddenState', 'pooled', 'logits'] as const) {
        if (!expected[name]) continue;
        expect(given[name]!.dtype).toBe('float32');
        const error = relativeError(given[name]!, expected[name]);
        // A sparse layer may select another key where two score alike.
        expect(error, name).toBeLessThan(k ? 7 * tolerance : tolerance);
        expect(error, name).toBeGreaterThan(0);
      }
      expect(given.labels).toEqual(expected.labels);
    }
    await single.dispose();
    await half.dispose();
    expect(backend.memory().usedBytes).toBe(before);
  });
});

describe('a model in half precision', () => {
  it.each(['float16', 'bfloat16'] as const)('uploads the weights of a %s file as they are', async (dtype) => {
    const tiny = tinyBert();
    const stored = new Map([...tiny.tensors].map(([name, values]) => [name, castTo(values, dtype)]));
    const upload = vi.spyOn(backend, 'upload');
    const model = await loadModel(filesOf({ ...tiny, tensors: stored }), { backend, dtype });
    const weights = upload.mock.calls.map(([uploaded]) => ({
      dtype: uploaded.dtype,
      bits: [...(uploaded.array as Uint16Array)].join(),
    }));
    upload.mockRestore();
    expect(weights.map((weight) => weight.dtype)).toEqual(weights.map(() => dtype));
    const expected = [...stored.values()].map(({ array }) => [...(array as Uint16Array)].join());
    expect(weights.map(({ bits }) => bits).sort()).toEqual(expected.sort());
    await model.dispose();
  });

  it.each(gateNames)('runs with the gate %s, and measures it', async (gate: GateName) => {
    const model = await loadModel(filesOf(tinyBert()), { backend, dtype: 'float16' });
    swapAttention(model, { k: 6, gate, crossover: 0 });
    if (gate === 'content') expect((await fitGates(model, texts)).layers).toEqual([0, 1]);
    const report = await verifySwap(model, texts);
    expect(report.hidden.least).toBeGreaterThan(0.5);
    for (const { recall, error } of report.layers) {
      expect(recall).toBeGreaterThan(0);
      expect(recall).toBeLessThanOrEqual(1.01);
      expect(error).toBeGreaterThanOrEqual(0);
    }
    restoreAttention(model);
    await model.dispose();
  });

  it('is planned with its own bytes', async () => {
    const files = filesOf(tinyBert());
    const options = { tokens: 40, backend };
    const single = await planModel(files, options);
    const half = await planModel(files, { ...options, dtype: 'float16' });
    expect(half.weightBytes).toBe(single.weightBytes / 2);
    expect(half.denseBytes / single.denseBytes).toBeLessThan(0.6);
    expect(half.bytes).toBeLessThan(single.bytes);
    expect(half.flops).toBe(single.flops);
    const model = await loadModel(files, { backend, dtype: 'float16' });
    expect(await model.plan(40)).toEqual(half);
    await model.dispose();
  });
});

describe('a backend without float16', () => {
  const expected = /dtype is 'float16', which cpu \(.+\) does not compute in\. .+[Ll]eave dtype out for float32/;

  it('is named, with what to do, before any weight is read', async () => {
    await using cpu = await openTestBackend();
    const before = cpu.memory().usedBytes;
    const error = await loadModel(filesOf(tinyBert()), { backend: cpu, dtype: 'float16' }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(FlashMLAError);
    expect((error as FlashMLAError).code).toBe('unsupported');
    expect((error as FlashMLAError).message).toMatch(expected);
    expect(cpu.memory().usedBytes).toBe(before);
    await expect(planModel(filesOf(tinyBert()), { tokens: 9, backend: cpu, dtype: 'float16' })).rejects.toThrow(
      expected,
    );
  });

  it('a dtype that no backend computes in', async () => {
    await expect(loadModel(filesOf(tinyBert()), { backend, dtype: 'float8' as 'float16' })).rejects.toThrow(
      "dtype is 'float8'; supported: float32, float16, bfloat16",
    );
  });
});

it('attention modules of a caller get and give float16', async () => {
  const model = await loadModel(filesOf(tinyBert()), { backend, dtype: 'float16' });
  const seen: string[] = [];
  let given: 'float16' | 'float32' = 'float16';
  const { dim, heads } = model.encoder.layer[0]!.dense;
  model.encoder.layer[0]!.attention = {
    dim,
    heads,
    async forward(x) {
      seen.push(x.dtype);
      return castTo(tensor(new Float32Array(x.shape.reduce((a, b) => a * b)), x.shape), given);
    },
    dispose() {},
  };
  expect((await model.run('good')).logits!.dtype).toBe('float32');
  given = 'float32';
  await expect(model.run('good')).rejects.toThrow(
    'the attention of layer 0 gave float32 [1, 3, 24] for an input of float16 [1, 3, 24]; a module',
  );
  expect(seen).toEqual(['float16', 'float16']);
  await model.dispose();
});
