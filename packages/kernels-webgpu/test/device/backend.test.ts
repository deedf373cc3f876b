// What this backend does beside the contract: devices of the caller's, few submits, programs that it forgets.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type LinearProblem, tensor } from '@flashmla/tensor';
import { expect, it } from 'vitest';
import { provider, type WebGpuBackend } from '../../dist/index.js';
import { findGpu } from '../../src/gpu.ts';
import { describeOnDevice } from './support.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

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

  it('keeps a program working that made way for others, held or recorded', async () => {
    await using backend = await provider.open();
    const weight = backend.upload(tensor(Float32Array.of(2, 0, 0, 2), [2, 2]));
    const input = backend.upload(tensor(Float32Array.of(1, 2, 3, 4), [2, 2]));
    const outputs = [0, 1].map(() => backend.allocate([2, 2], 'float32'));
    const program = await backend.prepare(doubling);
    expect(await backend.prepare({ ...doubling })).toBe(program);
    backend.dispatch(program, { input, weight }, { output: outputs[0]! });
    for (let rows = 3; rows < 2000; rows++) await backend.prepare({ ...doubling, rows });
    expect(await backend.prepare(doubling)).not.toBe(program);
    collect();
    backend.dispatch(program, { input, weight }, { output: outputs[1]! });
    for (const output of outputs) expect([...((await output.data()) as Float32Array)]).toEqual([2, 4, 6, 8]);
  });

  it('profiles by timestamps where the device has them, without more submits', async () => {
    await using backend = await provider.open();
    expect(backend.device.features).toContain('timestamp-query');
    const { result, timing, ops, wallMs } = await backend.profile(() => double(backend, 1500));
    expect(result).toHaveLength(4);
    expect(timing.source).toBe('timestamps');
    expect(backend.submits).toBe(2);
    expect(ops).toHaveLength(1500);
    for (const { kernels } of ops) expect(kernels.map(({ name }) => name)).toEqual(['linear']);
    expect(ops[0]!.startMs).toBeGreaterThan(0);
    expect(ops.at(-1)!.endMs).toBeGreaterThan(ops[0]!.startMs);
    expect(ops.at(-1)!.endMs).toBeLessThanOrEqual(wallMs);
  });

  it('profiles by the clock where the device has no timestamps', async () => {
    const gpu = (await findGpu()) as GPU;
    const adapter = await gpu.requestAdapter();
    const device = await adapter!.requestDevice();
    await using backend = await provider.open({ device });
    const { timing, ops, wallMs } = await backend.profile(() => double(backend, 20));
    expect(timing).toMatchObject({ source: 'clock', description: expect.stringContaining('has no timestamps') });
    expect(ops).toHaveLength(20);
    expect(ops.at(-1)!.endMs).toBeLessThanOrEqual(wallMs);
    // One for each op while profiling; together again after it.
    expect(backend.submits).toBe(20);
    await double(backend, 20);
    expect(backend.submits).toBe(21);
    device.destroy();
  });
});
