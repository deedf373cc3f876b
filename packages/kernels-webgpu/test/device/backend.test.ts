// What this backend does beside the contract: devices of the caller's, lost devices, few submits.

import { FlashMLAError, type LinearProblem, tensor } from '@flashmla/tensor';
import { expect, it } from 'vitest';
import { provider, type WebGpuBackend } from '../../dist/index.js';
import { describeOnDevice } from './support.ts';

const doubling: LinearProblem = {
  op: 'linear',
  ...{ rows: 2, inFeatures: 2, outFeatures: 2, bias: false, activation: 'none' },
};

async function double(backend: WebGpuBackend, times = 1): Promise<number[]> {
  const weight = backend.upload(tensor(Float32Array.of(2, 0, 0, 2), [2, 2]));
  const program = await backend.prepare(doubling);
  let input = backend.upload(tensor(Float32Array.of(1, 2, 3, 4), [2, 2]));
  for (let i = 0; i < times; i++) {
    const output = backend.allocate([2, 2], 'float32');
    backend.dispatch(program, { input, weight }, { output });
    input.dispose();
    input = output;
  }
  weight.dispose();
  const result = [...((await input.data()) as Float32Array)];
  input.dispose();
  return result;
}

describeOnDevice('the WebGPU backend', () => {
  it('submits many ops together', async () => {
    await using backend = await provider.open();
    expect(await double(backend, 100)).toEqual([1, 2, 3, 4].map((value) => value * 2 ** 100));
    expect(backend.submits).toBe(1);
    expect(await double(backend, 1500)).toHaveLength(4);
    expect(backend.submits).toBe(3);
  });

  it('writes an upload into memory that no waiting op reads', async () => {
    await using backend = await provider.open();
    const weight = backend.upload(tensor(Float32Array.of(2, 0, 0, 2), [2, 2]));
    const input = backend.upload(tensor(Float32Array.of(1, 2, 3, 4), [2, 2]));
    const output = backend.allocate([2, 2], 'float32');
    backend.dispatch(await backend.prepare(doubling), { input, weight }, { output });
    input.dispose();
    backend.upload(tensor(Float32Array.of(9, 9, 9, 9), [2, 2]));
    expect([...((await output.data()) as Float32Array)]).toEqual([2, 4, 6, 8]);
  });

  it('uses a device of the caller, and leaves it alone', async () => {
    const lender = await provider.open();
    const device = lender.gpu;
    const backend = await provider.open({ device });
    expect(await double(backend)).toEqual([2, 4, 6, 8]);
    await backend.dispose();
    expect(await double(lender)).toEqual([2, 4, 6, 8]);
    await lender.dispose();
  });

  it('says that the device was lost, to who waits and to who comes after; a new one works', async () => {
    const backend = await provider.open();
    const output = backend.allocate([2, 2], 'float32');
    const reading = output.data();
    backend.gpu.destroy();
    const error = await reading.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(FlashMLAError);
    expect((error as FlashMLAError).code).toBe('backend-failed');
    expect((error as FlashMLAError).message).toContain('the GPU device was lost');
    await expect(double(backend)).rejects.toThrow('Open a new backend and load the model again');
    await backend.dispose();
    await using reopened = await provider.open();
    expect(await double(reopened)).toEqual([2, 4, 6, 8]);
  });
});
