// What this backend does beside the contract, on the GPU of this machine: graphs, memory given back, the event loop.

import { type LinearProblem, OutOfMemoryError, randomNormal, randomSource, tensor } from '@flashmla/tensor';
import { expect, it } from 'vitest';
import { type CudaBackend, provider } from '../../dist/index.js';
import { describeOnDevice } from './support.ts';

const wide: LinearProblem = {
  op: 'linear',
  ...{ rows: 512, inFeatures: 768, outFeatures: 768, bias: false, activation: 'none' },
};

/** A chain of products, as long as a forward pass has. */
async function chain(backend: CudaBackend, times: number): Promise<Float32Array> {
  const noise = (seed: number, shape: [number, number]) =>
    backend.upload(
      tensor(
        randomNormal(shape[0] * shape[1], randomSource(seed)).map((x) => x / 28),
        shape,
      ),
    );
  using weight = noise(1, [768, 768]);
  let input = noise(2, [512, 768]);
  const program = await backend.prepare(wide);
  for (let i = 0; i < times; i++) {
    const output = backend.allocate([512, 768], 'float32');
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
    for (let run = 0; run < 5; run++) results.push(await chain(backend, 100));
    expect(backend.launches.graphs).toBeGreaterThan(0);
    await using plain = await provider.open({ graphs: false });
    results.push(await chain(plain, 100));
    expect(plain.launches.graphs).toBe(0);
    for (const result of results) expect(result).toEqual(results[0]);
    expect(results[0]!.every(Number.isFinite)).toBe(true);
  });

  it('leaves the event loop free while the device works', async () => {
    await using backend = await provider.open();
    await chain(backend, 10);
    let turns = 0;
    const counting = setInterval(() => turns++, 1);
    await chain(backend, 1000);
    clearInterval(counting);
    expect(turns).toBeGreaterThan(2);
  });

  it('goes on after all of the memory was asked for', async () => {
    await using backend = await provider.open();
    const { limitBytes } = backend.memory();
    expect(() => backend.allocate([limitBytes], 'uint8')).toThrow(OutOfMemoryError);
    expect(await chain(backend, 2)).toHaveLength(512 * 768);
  });

  it('opens and ends again and again', async () => {
    for (let round = 0; round < 20; round++) {
      await using backend = await provider.open();
      expect(await chain(backend, 2)).toHaveLength(512 * 768);
    }
  });
});
