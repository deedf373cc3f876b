import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { measured } from '../src/index.ts';
import { deviceKey, Measurements } from '../src/measured.ts';
import { defaultStorage, fileStorage, type MeasurementStorage } from '../src/measurement-storage.ts';
import { fakeBackend } from './fakes.ts';

const isNumber = (value: unknown): value is number => typeof value === 'number';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flashmla-measured-'));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  vi.useRealTimers();
  await rm(folder, { recursive: true, force: true });
});

/** A cache as a new process has it: nothing in memory, the same folder. */
const newProcess = () => new Measurements(() => fileStorage(folder));
const file = () => join(folder, 'measurements.json');

describe('measured', () => {
  it('measures once in a process, also when asked twice at once', async () => {
    const measure = vi.fn(async () => 7);
    const cache = newProcess();
    const device = deviceKey(fakeBackend('cpu'));
    const both = await Promise.all([1, 2].map(() => cache.get(device, 'a', measure, isNumber)));
    expect([...both, await cache.get(deviceKey(fakeBackend('cpu')), 'a', measure, isNumber)]).toEqual([7, 7, 7]);
    expect(measure).toHaveBeenCalledTimes(1);
  });

  it('remembers across processes', async () => {
    await newProcess().get(deviceKey(fakeBackend('cpu')), 'a', async () => 7, isNumber);
    const measure = vi.fn(async () => 8);
    expect(await newProcess().get(deviceKey(fakeBackend('cpu')), 'a', measure, isNumber)).toBe(7);
    expect(measure).not.toHaveBeenCalled();
  });

  it('keeps keys and devices apart', async () => {
    const cache = newProcess();
    const measure = vi.fn(async () => measure.mock.calls.length);
    expect(await cache.get(deviceKey(fakeBackend('cpu')), 'a', measure, isNumber)).toBe(1);
    expect(await cache.get(deviceKey(fakeBackend('cpu')), 'b', measure, isNumber)).toBe(2);
    expect(await cache.get(deviceKey(fakeBackend('cpu', 'another device')), 'a', measure, isNumber)).toBe(3);
    expect(await newProcess().get(deviceKey(fakeBackend('cpu')), 'b', measure, isNumber)).toBe(2);
  });

  it('keeps what measurements that end together write', async () => {
    const cache = newProcess();
    const device = deviceKey(fakeBackend('cpu'));
    const keys = Array.from({ length: 20 }, (_, i) => `key ${i}`);
    await Promise.all(keys.map((key, i) => cache.get(device, key, async () => i, isNumber)));
    const again = newProcess();
    const failing = () => Promise.reject(new Error('measured again'));
    expect(await Promise.all(keys.map((key) => again.get(device, key, failing, isNumber)))).toEqual(
      keys.map((_, i) => i),
    );
    expect(await readdir(folder)).toEqual(['measurements.json']);
  });

  it('leaves a whole file when processes write at once', async () => {
    const device = deviceKey(fakeBackend('cpu'));
    await Promise.all(
      Array.from({ length: 10 }, (_, i) => newProcess().get(device, `key ${i}`, async () => i, isNumber)),
    );
    const stored = JSON.parse(await readFile(file(), 'utf8'));
    expect(stored.version).toBe(1);
    expect(await readdir(folder)).toEqual(['measurements.json']);
  });

  it.each([
    ['half a file', '{"version":1,"devices":{"cpu'],
    ['another version', '{"version":2,"devices":{}}'],
    ['other JSON', '[1,2,3]'],
    ['entries that are none', '{"version":1,"devices":{"cpu | a cpu device | simd128 | threads=2":{"a":7}}}'],
  ])('ignores %s and replaces it', async (_what, text) => {
    await writeFile(file(), text);
    expect(await newProcess().get(deviceKey(fakeBackend('cpu')), 'a', async () => 9, isNumber)).toBe(9);
    expect(await newProcess().get(deviceKey(fakeBackend('cpu')), 'a', async () => 10, isNumber)).toBe(9);
  });

  it('ignores a stored value of another kind', async () => {
    await newProcess().get(
      deviceKey(fakeBackend('cpu')),
      'a',
      async () => 'seven',
      (value): value is string => typeof value === 'string',
    );
    expect(await newProcess().get(deviceKey(fakeBackend('cpu')), 'a', async () => 9, isNumber)).toBe(9);
  });

  it('measures again after 30 days', async () => {
    await newProcess().get(deviceKey(fakeBackend('cpu')), 'a', async () => 7, isNumber);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 31 * 24 * 3600 * 1000 });
    expect(await newProcess().get(deviceKey(fakeBackend('cpu')), 'a', async () => 9, isNumber)).toBe(9);
  });

  it('goes on when the storage can neither be read nor written', async () => {
    const failing = (): Promise<never> => Promise.reject(new Error('EROFS'));
    const broken: MeasurementStorage = { read: failing, write: failing };
    const cache = new Measurements(() => broken);
    expect(await cache.get(deviceKey(fakeBackend('cpu')), 'a', async () => 7, isNumber)).toBe(7);
  });

  it('passes a failure on and does not remember it', async () => {
    const cache = newProcess();
    const device = deviceKey(fakeBackend('cpu'));
    await expect(cache.get(device, 'a', () => Promise.reject(new Error('device lost')), isNumber)).rejects.toThrow(
      'device lost',
    );
    expect(await cache.get(device, 'a', async () => 7, isNumber)).toBe(7);
  });
});

describe('where measurements are kept', () => {
  it('is the folder FLASHMLA_CACHE names', async () => {
    vi.stubEnv('FLASHMLA_CACHE', folder);
    expect(await measured(fakeBackend('cpu', 'the device of this test'), 'a', async () => 7)).toBe(7);
    expect(await readFile(file(), 'utf8')).toContain('the device of this test');
  });

  it('is nowhere when FLASHMLA_CACHE is empty', () => {
    vi.stubEnv('FLASHMLA_CACHE', '');
    expect(defaultStorage()).toBeUndefined();
  });

  it('is nowhere in a runtime that has neither files nor IndexedDB', () => {
    vi.stubGlobal('process', undefined);
    try {
      expect(defaultStorage()).toBeUndefined();
    } finally {
      vi.unstubAllGlobals();
    }
  });
});
