import {
  type Backend,
  type DeviceTensor,
  elementCount,
  randomNormal,
  randomSource,
  readFloat32,
  tensor,
} from '@flashmla/tensor';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DryRun } from '../src/dry-run.ts';
import { feedForward } from '../src/feed-forward.ts';
import { Workspace } from '../src/index.ts';
import { openTestBackend } from './support/backend.ts';

const [rows, modelDim, innerDim] = [2 * 4096 + 3, 16, 64];

let backend: Backend;
beforeAll(async () => {
  backend = await openTestBackend();
});
afterAll(() => backend.dispose());

/** The same memory and the same kernels, and no views. */
const withoutViews = (): Backend =>
  new Proxy(backend, {
    get(target, name) {
      if (name === 'rows') return undefined;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });

/** Runs the network on `on`: what `read` makes of its output, and the peak beyond what was there before, in bytes. */
async function run<T>(on: Backend, read: (output: DeviceTensor) => Promise<T>): Promise<{ result: T; bytes: number }> {
  const work = new Workspace(on);
  const random = randomSource(1);
  const upload = (...shape: number[]) => work.upload(tensor(randomNormal(elementCount(shape), random), shape));
  try {
    const parts = {
      intermediate: { weight: upload(innerDim, modelDim), bias: upload(innerDim) },
      contract: { weight: upload(modelDim, innerDim), bias: upload(modelDim) },
    };
    const input = upload(1, rows, modelDim);
    on.resetPeak();
    const { usedBytes } = on.memory();
    const output = await feedForward(work, input, parts, 'gelu');
    expect(output.shape).toEqual(input.shape);
    await on.synchronize();
    // Blocks of memory may be a little larger than what they hold.
    expect((on.memory().usedBytes - usedBytes) / output.byteLength).toBeCloseTo(1, 2);
    return { result: await read(output), bytes: on.memory().peakBytes - usedBytes };
  } finally {
    work.dispose();
  }
}

it('gives the same in pieces, in a part of the memory, as a dry run predicts', async () => {
  const whole = await run(withoutViews(), readFloat32);
  const pieces = await run(backend, readFloat32);
  expect(pieces.result).toEqual(whole.result);
  // The output, and of what is four times as wide a third.
  expect(pieces.bytes).toBeLessThan(0.55 * whole.bytes);
  const predicted = await run(new DryRun(backend), async () => {});
  expect(Math.abs(predicted.bytes / pieces.bytes - 1)).toBeLessThan(0.05);
});
