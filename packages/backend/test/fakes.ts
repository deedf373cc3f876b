// Backends that exist only for these tests: entries of the selector's list whose loading, probing and opening are scripted.

import type { Backend, BackendName, BackendProbe, OpenOptions } from '@flashmla/tensor';
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

/** Just enough of a backend to be chosen, told apart, measured on and disposed. */
export function fakeBackend(name: BackendName, description = `a ${name} device`): Backend & { disposals: number } {
  const fake = {
    name,
    device: { description, features: ['simd128'], limits: {}, threads: 2 },
    disposals: 0,
    async dispose() {
      fake.disposals += 1;
    },
  };
  return fake as unknown as Backend & { disposals: number };
}
