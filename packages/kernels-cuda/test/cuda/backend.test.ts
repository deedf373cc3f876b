// What this backend does beside the contract, on the GPU of this machine: graphs, memory given back, the event loop.

import { suiteOnDevice } from '@flashmla/conformance/vitest';
import { type LinearProblem, OutOfMemoryError, randomNormal, randomSource, tensor } from '@flashmla/tensor';
import { expect, it } from 'vitest';
import { type CudaBackend, provider } from '../../dist/index.js';

const describeOnDevice = await suiteOnDevice(provider);

/** A chain of products of `size` × `size` matrices, as long as a forward pass has. */
async function chain(backend: CudaBackend, times: number, size = 64): Promise<Float32Array> {
  const problem: LinearProblem = {
    op: 'linear',
    ...{ rows: size, inFeatures: size, outFeatures: size, bias: false, activation: 'none' },
  };
  const noise = (seed: number) => {
    const values = randomNormal(size * size, randomSource(seed)).map((value) => value / Math.sqrt(size));
    return backend.upload(tensor(values, [size, size]));
  };
  using weight = noise(1);
  let input = noise(2);
  const program = await backend.prepare(problem);
  for (let i = 0; i < times; i++) {
    const output = backend.allocate([size, size], 'float32');
    backend.dispatch(program, { input, weight }, { output });
    input.dispose();
    input = output;
  }
  using result = input;
  return (await result.data()) as Float32Array;
}

describeOnDevice('the CUDA backend', () => {
  it('gives the same bits launched one by one and as a graph', async () => {
    await using backend = await provider.open();
    const results: Float32Array[] = [];
    for (let run = 0; run < 5; run++) results.push(await chain(backend, 20));
    expect(backend.launches.graphs).toBeGreaterThan(0);
    await using plain = await provider.open({ graphs: false });
    results.push(await chain(plain, 20));
    expect(plain.launches.graphs).toBe(0);
    for (const result of results) expect(result).toEqual(results[0]);
    expect(results[0]!.every(Number.isFinite)).toBe(true);
  });

  it('leaves the event loop free while the device works', async () => {
    await using backend = await provider.open();
    await chain(backend, 1, 2048);
    let turns = 0;
    const counting = setInterval(() => turns++, 1);
    await chain(backend, 100, 2048);
    clearInterval(counting);
    expect(turns).toBeGreaterThan(2);
  });

  it('goes on after all of the memory was asked for', async () => {
    await using backend = await provider.open();
    const { limitBytes } = backend.memory();
    const quarter = Math.floor(limitBytes / 4);
    const held: Disposable[] = [];
    // Something of it is always taken: five quarters never fit, however large a segment of the driver is.
    expect(() => {
      for (let i = 0; i < 5; i++) held.push(backend.allocate([quarter], 'uint8'));
    }).toThrow(OutOfMemoryError);
    for (const each of held) each[Symbol.dispose]();
    expect(await chain(backend, 2)).toHaveLength(64 * 64);
  });

  it('opens and ends again and again', async () => {
    for (let round = 0; round < 20; round++) {
      await using backend = await provider.open();
      expect(await chain(backend, 2)).toHaveLength(64 * 64);
    }
  });
});
