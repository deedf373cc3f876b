import { provider } from '@flashmla/kernels-cpu';
import {
  type Backend,
  costOf,
  DeviceTensor,
  type DType,
  type OpProfile,
  OutOfMemoryError,
  type Problem,
  type Program,
} from '@flashmla/tensor';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { measureRoofline, rooflineMs } from '../src/index.ts';
import { fakeBackend } from './fakes.ts';

beforeEach(() => {
  vi.stubEnv('FLASHMLA_CACHE', '');
  return () => vi.unstubAllEnvs();
});

/** A device whose ops take as long as its rates say, with memory up to a limit. */
function fakeDevice(description: string, flopsPerSecond: number, bytesPerSecond: number, limitBytes = 2 ** 40) {
  const plan = { scratchBytes: 0, usefulMultiplyAdds: 0, issuedMultiplyAdds: 0 };
  const sizes: string[] = [];
  let ops: OpProfile[] = [];
  let usedBytes = 0;
  class FakeTensor extends DeviceTensor {
    readonly backend = backend;
  }
  const allocate = (shape: readonly number[], dtype: DType = 'float32') => {
    const bytes = 4 * shape.reduce((a, b) => a * b, 1);
    if (usedBytes + bytes > limitBytes) throw new OutOfMemoryError('test', bytes, usedBytes, limitBytes);
    usedBytes += bytes;
    return new FakeTensor(shape, dtype);
  };
  const backend = Object.assign(fakeBackend('webgpu', description), {
    supports: () => ({ supported: true, ...plan }),
    allocate,
    upload: ({ shape }: { shape: readonly number[] }) => allocate(shape),
    free: ({ shape }: { shape: readonly number[] }) => {
      usedBytes -= 4 * shape.reduce((a, b) => a * b, 1);
    },
    prepare: async (problem: Problem): Promise<Program> => ({ problem, plan }),
    dispatch: ({ problem }: Program) => {
      const startMs = ops.at(-1)?.endMs ?? 3;
      const endMs = startMs + rooflineMs(costOf(problem), { flopsPerSecond, bytesPerSecond });
      ops.push({ problem, plan, startMs, endMs, kernels: [] });
      sizes.push(
        problem.op === 'linear' ? `linear ${problem.rows}` : `${problem.op} ${'rows' in problem && problem.rows}`,
      );
    },
    profile: async (work: () => Promise<unknown>) => {
      ops = [];
      return { result: await work(), wallMs: 1, timing: { source: 'clock', description: '' }, ops };
    },
  }) as unknown as Backend;
  return { backend, sizes: () => [...new Set(sizes)], usedBytes: () => usedBytes };
}

describe('measureRoofline', () => {
  it('finds the rates of a device', async () => {
    const { backend, usedBytes } = fakeDevice('a device of known rates', 1e12, 1e11);
    const { flopsPerSecond, bytesPerSecond } = await measureRoofline(backend);
    expect(flopsPerSecond / 1e12).toBeCloseTo(1);
    expect(bytesPerSecond / 1e11).toBeCloseTo(1);
    expect(usedBytes()).toBe(0);
  });

  it('measures again where it is asked to', async () => {
    const { backend } = fakeDevice('a device that is asked twice', 1e12, 1e11);
    const kept = await measureRoofline(backend);
    expect(await measureRoofline(backend)).toBe(kept);
    expect(await measureRoofline(backend, { fresh: true })).not.toBe(kept);
  });

  it('measures once, with products no larger than take a while', async () => {
    const slow = fakeDevice('a slow device', 1e9, 1e11);
    const [first, second] = await Promise.all([measureRoofline(slow.backend), measureRoofline(slow.backend)]);
    expect(second).toBe(first);
    expect(slow.sizes()).toEqual(['linear 512', 'layer-norm 16384']);
    const fast = fakeDevice('a fast device', 1e14, 1e12);
    await measureRoofline(fast.backend);
    expect(fast.sizes()).toEqual(['linear 512', 'linear 1024', 'linear 2048', 'linear 4096', 'layer-norm 16384']);
  });

  it('takes less where there is less memory, and says so where there is none', async () => {
    const small = fakeDevice('a small device', 1e12, 1e11, 100 * 2 ** 20);
    const { bytesPerSecond } = await measureRoofline(small.backend);
    expect(bytesPerSecond / 1e11).toBeCloseTo(1);
    expect(small.sizes().at(-1)).toBe('layer-norm 8192');
    expect(small.usedBytes()).toBe(0);
    const none = fakeDevice('a device without memory', 1e12, 1e11, 1000);
    await expect(measureRoofline(none.backend)).rejects.toMatchObject({ code: 'unsupported' });
  });

  it('finds rates of the CPU', { timeout: 60_000 }, async () => {
    await using backend = await provider.open({ threads: 1 });
    const { flopsPerSecond, bytesPerSecond } = await measureRoofline(backend);
    expect(flopsPerSecond).toBeGreaterThan(1e8);
    expect(flopsPerSecond).toBeLessThan(1e12);
    expect(bytesPerSecond).toBeGreaterThan(1e7);
    expect(bytesPerSecond).toBeLessThan(1e12);
    expect(backend.memory().usedBytes).toBe(0);
  });
});
