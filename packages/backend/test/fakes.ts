// Backends that exist only for these tests: entries of the selector's list whose loading, probing and opening are scripted.

import type { Backend, BackendName, BackendProbe, HostTensor, OpenOptions, Program } from '@flashmla/tensor';
import { vi } from 'vitest';
import type { BackendEntry } from '../src/backends.ts';
import type { Unusable } from '../src/unusable.ts';

export interface Script {
  load?: Unusable;
  probe?: () => Promise<BackendProbe>;
  open?: (options?: OpenOptions) => Promise<Backend>;
}

/** An entry that works unless the script says otherwise. */
export function entry(name: BackendName, script: Script = {}): BackendEntry {
  return {
    name,
    package: `@flashmla/kernels-${name}`,
    load: async () =>
      script.load ?? {
        name,
        probe:
          script.probe ??
          (async () => ({ available: true, reason: `works on a ${name} device`, device: `a ${name} device` })),
        open: script.open ?? (async () => fakeBackend(name)),
      },
  };
}

export const missing = (name: BackendName): BackendEntry =>
  entry(name, { load: { installed: false, reason: `not installed: npm i @flashmla/kernels-${name}` } });

export interface FakeBackend extends Backend {
  disposals: number;
}

/** What the fakes' ops take stands on this clock; a test makes it the clock of what it tests: `useFakeClock`. */
const clock = { ms: 0 };
export const useFakeClock = () => vi.spyOn(performance, 'now').mockImplementation(() => clock.ms);

export interface Speed {
  /** Of every op on the fake clock, or of the nth; a layer has seven. */
  opMs?: number | ((n: number) => number);
  /** Instead of a program at once. */
  prepare?: () => Promise<Program>;
}

/** Just enough of a backend to be chosen, told apart, measured and disposed. */
export function fakeBackend(
  name: BackendName,
  description = `a ${name} device`,
  { opMs = 1, prepare = async () => ({}) as Program }: Speed = {},
): FakeBackend {
  const tensor = (shape: readonly number[]) => ({ shape, dispose() {}, data: async () => new Float32Array() });
  let ops = 0;
  const fake = {
    name,
    device: { description, features: ['simd128'], limits: {}, threads: 2 },
    disposals: 0,
    upload: ({ shape }: HostTensor) => tensor(shape),
    allocate: tensor,
    prepare,
    dispatch() {
      clock.ms += typeof opMs === 'number' ? opMs : opMs(ops++);
    },
    async synchronize() {},
    resetPeak() {},
    async dispose() {
      fake.disposals += 1;
    },
  };
  return fake as unknown as FakeBackend;
}
