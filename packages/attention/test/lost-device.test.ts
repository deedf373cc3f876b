// A device that is lost under a module or a function: on the reference backend, whose device can be taken away at will.

import { type ReferenceBackend, referenceBackend } from '@flashmla/conformance';
import { ContentGate } from '@flashmla/gating';
import { type DeviceTensor, type HostTensor, tensor } from '@flashmla/tensor';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DenseAttention, denseAttention, FlashMLAAttention } from '../src/index.ts';
import { initialProjections } from '../src/projections.ts';
import { randomArray } from './random.ts';

const dims = { dim: 24, heads: 3 };
const text = (): HostTensor => tensor(randomArray(20 * dims.dim, 5), [1, 20, dims.dim]);

describe('a lost device', () => {
  let backend: ReferenceBackend;
  beforeEach(() => {
    backend = referenceBackend();
  });
  afterEach(() => backend.dispose());

  async function bitsOf(output: Promise<DeviceTensor>): Promise<number[]> {
    using result = await output;
    const array = (await result.data()) as Float32Array;
    return [...new Uint32Array(array.buffer, array.byteOffset, array.length)];
  }

  const sparse = () => new ContentGate({ k: 4, shape: 'lists', rank: 4 });

  it.each([
    ['dense, with random projections', () => new DenseAttention({ ...dims, backend, seed: 3 })],
    ['sparse, with those it was given', () => sparseModule()],
  ])('a module, %s, gives the same after it, twice in a row', async (_, make) => {
    using module = make();
    const before = await bitsOf(module.forward(text()));
    const { usedBytes } = backend.memory();
    for (let time = 0; time < 2; time++) {
      const inFlight = bitsOf(module.forward(text()));
      backend.lose();
      await expect(inFlight).rejects.toMatchObject({ code: 'device-lost' });
      expect(await bitsOf(module.forward(text()))).toEqual(before);
      expect(backend.memory().usedBytes).toBe(usedBytes);
    }
  });

  it('before a module’s first call, or its attaching, does not matter', async () => {
    backend.lose();
    using module = sparseModule();
    expect(await bitsOf(module.forward(text()))).toHaveLength(20 * dims.dim);
    using attached = new DenseAttention(dims);
    attached.attach({ backend, projections: initialProjections(dims.dim, 1) });
    const before = await bitsOf(attached.forward(text()));
    backend.lose();
    expect(await bitsOf(attached.forward(text()))).toEqual(before);
  });

  it('a call on tensors of the device leaves recovering to who made them', async () => {
    using module = sparseModule();
    using before = backend.upload(text());
    const expected = await bitsOf(module.forward(before));
    backend.lose();
    await expect(module.forward(before)).rejects.toMatchObject({ code: 'device-lost' });
    await backend.recover();
    await expect(module.forward(before)).rejects.toMatchObject({ code: 'device-lost' });
    using again = backend.upload(text());
    expect(await bitsOf(module.forward(again))).toEqual(expected);
  });

  it('is recovered by a function that is given host tensors', async () => {
    const query = tensor(randomArray(2 * 6 * 4, 1), [1, 2, 6, 4]);
    const attend = async () => {
      const { output, lse } = await denseAttention(backend, { query, key: query, value: query });
      lse.dispose();
      return output;
    };
    const before = await bitsOf(attend());
    backend.lose();
    expect(await bitsOf(attend())).toEqual(before);
  });

  function sparseModule(): FlashMLAAttention {
    const projections = initialProjections(dims.dim, 7);
    return new FlashMLAAttention({ ...dims, backend, projections, gate: sparse(), crossover: 0 });
  }
});
