import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Backend,
  type DeviceTensor,
  type LinearProblem,
  OutOfMemoryError,
  type PrepareOptions,
  type Problem,
  type Program,
  shapeClass,
} from '@flashmla/tensor';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { tune } from '../src/index.ts';
import { selectFrom } from '../src/select.ts';
import { entry } from './fakes.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flashmla-tune-'));
  vi.stubEnv('FLASHMLA_CACHE', folder);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

const linear = (rows: number): LinearProblem => ({
  op: 'linear',
  ...{ rows, inFeatures: 8, outFeatures: 8, bias: true, activation: 'none' },
});

interface Script {
  /** Variant → milliseconds that a run takes, or the error that it fails with. */
  variants?: Record<string, number | Error>;
  device?: string;
  capacityRows?: number;
}

/** A backend that does nothing but take its time. */
function scripted({ variants = { default: 1 }, device = folder, capacityRows = 1e6 }: Script) {
  let alive = 0;
  let pending = 0;
  const runs: string[] = [];
  const preferred: [string, string][] = [];
  const hold = (rows: number): DeviceTensor => {
    if (rows > capacityRows) throw new OutOfMemoryError('test', rows, 0, capacityRows);
    alive++;
    return { dispose: () => void alive-- } as DeviceTensor;
  };
  const backend = {
    name: 'webgpu',
    device: { description: device, features: [], limits: {} },
    supports: ({ op }: Problem) => ({ supported: op === 'linear' }),
    variants: () => Object.keys(variants),
    prefer: (name: string, variant: string) => void preferred.push([name, variant]),
    upload: ({ shape }: { shape: readonly number[] }) => hold(shape[0]!),
    allocate: (shape: readonly number[]) => hold(shape[0]!),
    async prepare(problem: Problem, { variant }: PrepareOptions = {}) {
      const outcome = variants[variant!];
      if (outcome instanceof Error) throw outcome;
      return { problem, variant } as unknown as Program;
    },
    dispatch({ variant }: Program & { variant: string }) {
      runs.push(variant);
      pending += variants[variant] as number;
    },
    async synchronize() {
      const end = performance.now() + pending;
      pending = 0;
      while (performance.now() < end);
    },
    dispose: async () => {},
  };
  return { backend: backend as unknown as Backend, runs, preferred, alive: () => alive };
}

describe('tune', () => {
  it('times every variant, prefers the fastest, and gives back what it took', async () => {
    const { backend, preferred, alive } = scripted({ variants: { default: 3, quick: 1, slow: 4 } });
    const steps: number[] = [];
    const [tuning, ...others] = await tune(backend, [linear(16), linear(17)], {
      progress: ({ done }) => void steps.push(done),
    });
    expect(others).toEqual([]);
    expect(tuning).toMatchObject({ op: 'linear', shapeClass: shapeClass(linear(16)), chosen: 'quick' });
    expect(tuning!.times.map(({ variant }) => variant)).toEqual(['default', 'quick', 'slow']);
    expect(tuning!.times[1]!.ms).toBeLessThan(tuning!.times[0]!.ms!);
    expect(preferred).toEqual([[shapeClass(linear(16)), 'quick']]);
    expect(steps).toEqual([0, 1]);
    expect(alive()).toBe(0);
  });

  it('keeps the default where nothing is clearly faster, and passes over what the device can’t run', async () => {
    const { backend } = scripted({ variants: { default: 4, alike: 3.95, broken: new Error('does not compile') } });
    const [tuning] = await tune(backend, [linear(16)]);
    expect(tuning).toMatchObject({ chosen: 'default' });
    expect(tuning!.times[2]).toEqual({ variant: 'broken', ms: null });
  });

  it('is told when the default fails', async () => {
    const { backend, alive } = scripted({ variants: { default: new Error('no device'), other: 1 } });
    await expect(tune(backend, [linear(16)])).rejects.toThrow('no device');
    expect(alive()).toBe(0);
  });

  it('leaves out what has one variant, is not supported, or does not fit', async () => {
    const one = scripted({});
    expect(await tune(one.backend, [linear(16)])).toEqual([]);
    const { backend, runs } = scripted({ variants: { default: 1, other: 1 }, capacityRows: 100 });
    const unsupported: Problem = { op: 'layer-norm', rows: 4, modelDim: 8, epsilon: 1e-5, residual: false };
    const tunings = await tune(backend, [unsupported, linear(1000), linear(16)]);
    expect(tunings.map((tuning) => tuning.shapeClass)).toEqual([shapeClass(linear(16))]);
    expect(runs.length).toBeGreaterThan(0);
    expect(one.runs).toEqual([]);
  });

  it('stops on abort, between two runs', async () => {
    const { backend, preferred, alive } = scripted({ variants: { default: 2, other: 2 } });
    const controller = new AbortController();
    const tuning = tune(backend, [linear(16), linear(64)], {
      signal: controller.signal,
      progress: ({ done }) => done === 1 && controller.abort(new Error('enough')),
    });
    await expect(tuning).rejects.toThrow('enough');
    expect(preferred).toHaveLength(1);
    expect(alive()).toBe(0);
  });
});

describe('what tune measured', () => {
  const stored = (value: unknown, name = shapeClass(linear(16))) =>
    JSON.stringify({
      version: 1,
      devices: {
        [['webgpu', folder, 'threads=unknown'].join(' | ')]: {
          [`variants ${name}`]: { value, measuredAt: Date.now() },
        },
      },
    });
  const store = (text: string) => writeFile(join(folder, 'measurements.json'), text);
  const times = [
    { variant: 'default', ms: 3 },
    { variant: 'quick', ms: 1 },
  ];

  it('is not measured again, and handed to the backend that is opened', async () => {
    await store(stored(times));
    const { backend, runs, preferred } = scripted({ variants: { default: 1, quick: 1 } });
    const opened = await selectFrom([entry('webgpu', { open: async () => backend })]);
    expect(opened).toBe(backend);
    expect(preferred).toEqual([[shapeClass(linear(16)), 'quick']]);
    expect(await tune(backend, [linear(15)])).toMatchObject([{ times, chosen: 'quick' }]);
    expect(runs).toEqual([]);
  });

  it.each([
    ['broken JSON', '{"version":1,"devices":'],
    ['nothing', ''],
    ['something else', '[1, 2]'],
  ])('is ignored when the file holds %s', async (_, text) => {
    await store(text);
    const { backend, runs, preferred } = scripted({ variants: { default: 1, quick: 1 } });
    await selectFrom([entry('webgpu', { open: async () => backend })]);
    expect(preferred).toEqual([]);
    await tune(backend, [linear(16)]);
    expect(runs.length).toBeGreaterThan(0);
  });

  it.each([
    ['of wrong types', [{ variant: 7, ms: 'fast' }]],
    ['no list', { variant: 'quick' }],
    ['empty', []],
    ['null', [null]],
  ])('is ignored when it is %s', async (_, value) => {
    await store(stored(value));
    const { backend, runs, preferred } = scripted({ variants: { default: 1, quick: 1 } });
    await selectFrom([entry('webgpu', { open: async () => backend })]);
    expect(preferred).toEqual([]);
    await tune(backend, [linear(16)]);
    expect(runs.length).toBeGreaterThan(0);
  });

  it('is measured again when the variants are others by now', async () => {
    await store(stored(times));
    const { backend, runs } = scripted({ variants: { default: 1, newer: 1 } });
    await tune(backend, [linear(16)]);
    expect(runs).toContain('newer');
  });
});
