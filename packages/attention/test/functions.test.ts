import { type Backend, FlashMLAError, type HostTensor, selection, tensor } from '@flashmla/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AttentionInputs } from '../src/attention-inputs.ts';
import { denseAttention, sparseAttention } from '../src/functions.ts';
import { needsMultiplesOf, testBackends } from './backends.ts';
import { largestDifference, naiveAttention } from './naive.ts';
import { randomArray } from './random.ts';

const batch = 2;
const heads = 3;
const queries = 21;
const keys = 37;

function inputs(headDim: number) {
  const query = randomArray(batch * heads * queries * headDim, 1);
  const key = randomArray(batch * heads * keys * headDim, 2);
  const value = randomArray(batch * heads * keys * headDim, 3);
  return {
    arrays: { query, key, value, shape: [batch, heads, queries, headDim] as const, keys },
    tensors: {
      query: tensor(query, [batch, heads, queries, headDim]),
      key: tensor(key, [batch, heads, keys, headDim]),
      value: tensor(value, [batch, heads, keys, headDim]),
    },
  };
}

/** Padding at the end of each text, another length for each. */
const mask = Uint8Array.from({ length: batch * keys }, (_, i) => (i % keys < (i < keys ? 30 : 9) ? 1 : 0));

/** A fixed list of 5 keys for each query, the same on every run. */
const listed = (query: number) => [0, 3, 7, 8, 9].map((step) => (query * 5 + step * 3) % keys).sort((a, b) => a - b);
const lists = () =>
  selection({
    tileQueries: 1,
    blockKeys: 1,
    indices: Int32Array.from(
      { length: batch * heads * queries * 5 },
      (_, i) => listed(Math.floor(i / 5) % queries)[i % 5]!,
    ),
    shape: [batch, heads, queries, 5],
  });

const ofOtherSizes = selection({ tileQueries: 1, blockKeys: 1, indices: new Int32Array(4), shape: [1, 1, 4, 1] });

describe.each(testBackends)('attention functions on %s', (_name, open) => {
  let backend: Backend;
  beforeAll(async () => {
    backend = await open();
  });
  afterAll(() => backend.dispose());

  it.each<[string, Pick<AttentionInputs, 'keyMask' | 'causal' | 'scale'>]>([
    ['as it is', {}],
    ['masked', { keyMask: tensor(mask, [batch, keys]) }],
    ['masked by booleans', { keyMask: tensor(mask, [batch, keys], 'bool') }],
    ['causal', { causal: true }],
    ['scaled', { scale: 0.9 }],
  ])('dense attention is the definition, %s', async (_what, options) => {
    const { arrays, tensors } = inputs(16);
    const { output, lse } = await denseAttention(backend, { ...tensors, ...options });
    const { keyMask, ...others } = options;
    const naive = naiveAttention({ ...arrays, ...others, ...(keyMask && { keyMask: mask }) });
    expect(output.shape).toEqual([batch, heads, queries, 16]);
    expect(lse.shape).toEqual([batch, heads, queries]);
    expect(largestDifference((await output.data()) as Float32Array, naive.output)).toBeLessThan(1e-5);
    expect(largestDifference((await lse.data()) as Float32Array, naive.lse)).toBeLessThan(1e-5);
    output.dispose();
    lse.dispose();
  });

  it('sparse attention computes what the selection lists', async () => {
    const { arrays, tensors } = inputs(16);
    const naive = naiveAttention({ ...arrays, attends: (_b, _h, query, key) => listed(query).includes(key) });
    const { output, lse } = await sparseAttention(backend, { ...tensors, selection: lists() });
    expect(largestDifference((await output.data()) as Float32Array, naive.output)).toBeLessThan(1e-5);
    expect(largestDifference((await lse.data()) as Float32Array, naive.lse)).toBeLessThan(1e-5);
    output.dispose();
    lse.dispose();
  });

  describe("takes FlashMLA's conventions", () => {
    /** 0 and negative are no key, 9 more than there are slots. */
    const lengths = Int32Array.from({ length: batch * heads * queries }, (_, row) => [5, 3, 0, 1, 9, -2][row % 6]!);
    const topkLength = tensor(lengths, [batch, heads, queries]);
    const lengthOf = (b: number, h: number, query: number) => Math.max(0, lengths[(b * heads + h) * queries + query]!);
    const sinks = Float32Array.of(0.7, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY);
    const attnSink = tensor(sinks, [heads]);

    it.each([
      ['topkLength', { topkLength }],
      ['attnSink', { attnSink }],
      ['both', { topkLength, attnSink }],
    ])('%s', async (_what, conventions) => {
      // A headDim that is padded on some backends.
      for (const headDim of [16, 10]) {
        const { arrays, tensors } = inputs(headDim);
        const naive = naiveAttention({
          ...arrays,
          ...('attnSink' in conventions && { sinks }),
          attends: (b, h, query, key) => {
            const list = listed(query);
            return ('topkLength' in conventions ? list.slice(0, lengthOf(b, h, query)) : list).includes(key);
          },
        });
        const before = backend.memory().usedBytes;
        using selectionOnHost = lists();
        const { output, lse } = await sparseAttention(backend, {
          ...tensors,
          selection: selectionOnHost,
          ...conventions,
        });
        expect(output.shape).toEqual([batch, heads, queries, headDim]);
        expect(largestDifference((await output.data()) as Float32Array, naive.output)).toBeLessThan(1e-5);
        expect(largestDifference((await lse.data()) as Float32Array, naive.lse)).toBeLessThan(1e-5);
        output.dispose();
        lse.dispose();
        await backend.synchronize();
        expect(backend.memory().usedBytes).toBe(before);
      }
    });

    it('of tensors on the device, which stay the callers', async () => {
      const { tensors } = inputs(16);
      using onHost = lists();
      using indices = backend.upload(onHost.indices as HostTensor);
      using length = backend.upload(topkLength);
      using sink = backend.upload(attnSink);
      const fromHost = await sparseAttention(backend, { ...tensors, selection: onHost, topkLength, attnSink });
      const onDevice = { selection: { ...onHost, indices }, topkLength: length, attnSink: sink };
      const fromDevice = await sparseAttention(backend, { ...tensors, ...onDevice });
      expect(await fromDevice.output.data()).toEqual(await fromHost.output.data());
      expect([indices, length, sink].map(({ disposed }) => disposed)).toEqual([false, false, false]);
      for (const { output, lse } of [fromHost, fromDevice]) {
        output.dispose();
        lse.dispose();
      }
    });
  });

  it('device tensors give what host tensors give, and stay the callers', async () => {
    const { tensors } = inputs(16);
    const keyMask = tensor(mask, [batch, keys]);
    const onDevice = {
      query: backend.upload(tensors.query),
      key: backend.upload(tensors.key),
      value: backend.upload(tensors.value),
      keyMask: backend.upload(keyMask),
    };
    const fromHost = await denseAttention(backend, { ...tensors, keyMask });
    const fromDevice = await denseAttention(backend, onDevice);
    expect(await fromDevice.output.data()).toEqual(await fromHost.output.data());
    expect(Object.values(onDevice).map(({ disposed }) => disposed)).toEqual([false, false, false, false]);
    for (const held of [fromHost.output, fromHost.lse, fromDevice.output, fromDevice.lse, ...Object.values(onDevice)]) {
      held.dispose();
    }
  });

  it('gives back all memory but that of the results', async () => {
    const { tensors } = inputs(16);
    const before = backend.memory().usedBytes;
    const dense = await denseAttention(backend, { ...tensors, keyMask: tensor(mask, [batch, keys]) });
    const sparse = await sparseAttention(backend, { ...tensors, selection: lists() });
    await expect(denseAttention(backend, { ...tensors, value: tensors.query })).rejects.toThrow('value');
    for (const result of [dense.output, dense.lse, sparse.output, sparse.lse]) result.dispose();
    await backend.synchronize();
    expect(backend.memory().usedBytes).toBe(before);
  });

  it('stops when the signal aborts, and holds nothing', async () => {
    const { tensors } = inputs(16);
    const before = backend.memory().usedBytes;
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(denseAttention(backend, { ...tensors, signal })).rejects.toThrow('enough');
    const controller = new AbortController();
    const started = denseAttention(backend, { ...tensors, signal: controller.signal });
    controller.abort(new Error('later'));
    await expect(started).rejects.toThrow('later');
    expect(backend.memory().usedBytes).toBe(before);
  });

  it.each([
    [
      'query',
      { query: tensor(new Float32Array(8), [2, 4]) },
      'query is float32 [2, 4]; expected [batch, heads, tokens, headDim]',
    ],
    [
      'dtype',
      { key: tensor(new Float64Array(8), [1, 1, 2, 4]) },
      'key is float64 [1, 1, 2, 4]; expected float32 like query. Convert it.',
    ],
    [
      'dtype of all three',
      { query: tensor(new Int32Array(8), [1, 1, 2, 4]) },
      'query is int32 [1, 1, 2, 4]; expected float32 or float16',
    ],
    [
      'value',
      { value: tensor(new Float32Array(96), [2, 3, 1, 16]) },
      'value is [2, 3, 1, 16]; expected [2, 3, 37, 16]',
    ],
    ['scale', { scale: Number.NaN }, 'scale is NaN'],
    ['keyMask', { keyMask: tensor(new Uint8Array(74), [74]) }, 'keyMask is uint8 [74]; expected uint8 [2, 37]'],
    [
      'mask dtype',
      { keyMask: tensor(new Float32Array(74), [2, 37]) },
      'keyMask is float32 [2, 37]; expected uint8 [2, 37]',
    ],
    ['selection', { selection: ofOtherSizes }, 'indices is int32 [1, 1, 4, 1]; expected int32 [2, 3, 21, slots]'],
    [
      'topkLength',
      { topkLength: tensor(new Int32Array(21), [21]) },
      'topkLength is int32 [21]; expected int32 [2, 3, 21], a length for each list.',
    ],
    [
      'attnSink',
      { attnSink: tensor(new Float64Array(3), [3]) },
      'attnSink is float64 [3]; expected float32 [3], a logit for each head.',
    ],
    [
      'causal',
      { causal: true, selection: { ...lists(), residualGroup: 4 } },
      'causal with residual groups is not supported',
    ],
  ])('refuses a wrong %s', async (_what, wrong, message) => {
    const given = { ...inputs(16).tensors, selection: lists(), ...wrong };
    const failure = await sparseAttention(backend, given).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(FlashMLAError);
    expect((failure as FlashMLAError).code).toBe('invalid-argument');
    expect((failure as FlashMLAError).message).toContain(message);
  });

  it('takes a headDim that kernels do not, from the host', async () => {
    const { arrays, tensors } = inputs(10);
    const naive = naiveAttention(arrays);
    const { output, lse } = await denseAttention(needsMultiplesOf(8, backend), tensors);
    expect(output.shape).toEqual([batch, heads, queries, 10]);
    expect(largestDifference((await output.data()) as Float32Array, naive.output)).toBeLessThan(1e-5);
    expect(largestDifference((await lse.data()) as Float32Array, naive.lse)).toBeLessThan(1e-5);
    output.dispose();
    lse.dispose();
  });

  it('refuses such a headDim from the device, with the advice of the backend', async () => {
    const { tensors } = inputs(10);
    using query = backend.upload(tensors.query);
    const failure = await denseAttention(needsMultiplesOf(8, backend), { ...tensors, query }).catch(
      (error: unknown) => error,
    );
    expect((failure as FlashMLAError).code).toBe('unsupported');
    expect((failure as FlashMLAError).message).toBe(
      '[attention] cpu refuses: headDim 10 is no multiple of 8; pad it with zeros.',
    );
  });
});
