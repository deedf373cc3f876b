// Attention in half precision: on the float64 reference, which rounds what it stores; refused by the CPU kernels.

import { selectBackend } from '@flashmla/backend';
import { referenceBackend } from '@flashmla/conformance';
import { type Backend, castTo, FlashMLAError, type FloatDType, readFloat32, selection, tensor } from '@flashmla/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DenseAttention, denseAttention, FlashMLAAttention, sparseAttention } from '../src/index.ts';
import { initialProjections } from '../src/projections.ts';
import { needsMultiplesOf } from './backends.ts';
import { largestDifference } from './naive.ts';
import { randomArray } from './random.ts';

const [heads, tokens] = [2, 21];
const host = (shape: number[], seed: number, dtype: FloatDType) =>
  castTo(
    castTo(
      tensor(
        randomArray(
          shape.reduce((a, b) => a * b),
          seed,
        ),
        shape,
      ),
      'float16',
    ),
    dtype,
  );
const inputs = (headDim: number, dtype: FloatDType) => {
  const shape = [1, heads, tokens, headDim];
  return { query: host(shape, 1, dtype), key: host(shape, 2, dtype), value: host(shape, 3, dtype) };
};
const lists = selection({
  ...{ tileQueries: 1, blockKeys: 1, residualGroup: 4 },
  indices: Int32Array.from({ length: heads * tokens * 3 }, (_, i) => (i % 3) * 6 + (i % 5)),
  shape: [1, heads, tokens, 3],
});

let backend: Backend;
beforeAll(() => {
  backend = referenceBackend();
});
afterAll(() => backend.dispose());

describe('attention functions in float16', () => {
  it.each([8, 10])('dense and sparse, heads of %d', async (headDim) => {
    // As a backend that takes multiples of 4 only, like all that have kernels.
    const before = backend.memory().usedBytes;
    for (const run of [
      denseAttention,
      (on: Backend, given: Parameters<typeof denseAttention>[1]) => sparseAttention(on, { ...given, selection: lists }),
      (on: Backend, given: Parameters<typeof denseAttention>[1]) =>
        sparseAttention(on, { ...given, selection: lists, attnSink: tensor(Float32Array.of(0, 1), [heads]) }),
    ]) {
      const half = await run(needsMultiplesOf(4, backend), inputs(headDim, 'float16'));
      const single = await run(backend, inputs(headDim, 'float32'));
      expect(half.output).toMatchObject({ dtype: 'float16', shape: [1, heads, tokens, headDim] });
      expect(half.lse.dtype).toBe('float32');
      const expected = Float64Array.from(await readFloat32(single.output));
      expect(largestDifference(await readFloat32(half.output), expected)).toBeLessThan(2 ** -11);
      expect(largestDifference(await readFloat32(half.lse), Float64Array.from(await readFloat32(single.lse)))).toBe(0);
      for (const { output, lse } of [half, single]) {
        output.dispose();
        lse.dispose();
      }
    }
    expect(backend.memory().usedBytes).toBe(before);
  });

  it('are refused by a backend that has none, with what would do', async () => {
    await using cpu = await selectBackend({ require: 'cpu', threads: 1 });
    const error = await denseAttention(cpu, inputs(8, 'float16')).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(FlashMLAError);
    expect((error as FlashMLAError).code).toBe('unsupported');
    expect((error as FlashMLAError).message).toBe(
      '[attention] cpu refuses: WASM kernels compute in float32 and int8, not in float16; use float32, or a backend whose ' +
        "device.features name 'float16' (WebGPU on most GPUs, CUDA).",
    );
  });
});

describe('attention modules in float16', () => {
  const dim = 16;
  const projections = (dtype: FloatDType) => {
    const { query, key, value, output } = initialProjections(dim, 1);
    const cast = ({ weight, bias }: typeof query) => ({
      weight: castTo(castTo(weight as ReturnType<typeof host>, 'float16'), dtype),
      bias: castTo(bias as ReturnType<typeof host>, dtype),
    });
    return { query: cast(query), key: cast(key), value: cast(value), output: cast(output) };
  };

  it.each([
    ['dense', (dtype: FloatDType) => new DenseAttention({ backend, dim, heads, projections: projections(dtype) })],
    [
      'sparse, the crossover measured',
      (dtype: FloatDType) => new FlashMLAAttention({ backend, dim, heads, k: 4, projections: projections(dtype) }),
    ],
    [
      'sparse',
      (dtype: FloatDType) =>
        new FlashMLAAttention({
          backend,
          dim,
          heads,
          k: 4,
          crossover: 0,
          gate: 'oracle',
          projections: projections(dtype),
        }),
    ],
  ])('%s: nearly what float32 gives', async (_, make) => {
    using half = make('float16');
    using single = make('float32');
    using given = await half.forward(host([2, tokens, dim], 5, 'float16'));
    using expected = await single.forward(host([2, tokens, dim], 5, 'float32'));
    expect(given).toMatchObject({ dtype: 'float16', shape: [2, tokens, dim] });
    const difference = largestDifference(await readFloat32(given), Float64Array.from(await readFloat32(expected)));
    expect(difference).toBeLessThan(2e-3);
    expect(difference).toBeGreaterThan(0);
  });

  it('take x in the precision of their weights only', async () => {
    using module = new DenseAttention({ backend, dim, heads, projections: projections('float16') });
    await expect(module.forward(host([1, 3, dim], 5, 'float32'))).rejects.toThrow(
      'forward: x is float32 [1, 3, 16]; expected float16 like the weights. Convert it.',
    );
    const mixed = { ...projections('float16'), key: projections('float32').key };
    expect(() => new DenseAttention({ backend, dim, heads, projections: mixed })).toThrow(
      'key.weight is float32 [16, 16]; expected float16 like query.weight',
    );
  });
});
