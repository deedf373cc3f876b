// A backend over a driver in memory, and one op for it to run.

import type { LinearProblem } from '@flashmla/tensor';
import type { CublasApi } from '../src/cublas.ts';
import { Driver } from '../src/driver.ts';
import { planOf } from '../src/index.ts';
import { type CudaOpenOptions, providerOver } from '../src/provider.ts';
import { FakeDriver, type FakeLaunch, type FakeOptions } from './fake-driver.ts';

export const image = Uint8Array.of(1, 2, 3);

/** A provider whose driver, kernels and cuBLASLt are in memory. */
export function fakeProvider(fake: FakeDriver, cublas: CublasApi | string = 'there is none') {
  return providerOver(
    async () => {
      const driver = new Driver(fake);
      driver.initialize();
      return driver;
    },
    async () => image,
    async () => cublas,
  );
}

export async function openFake(options: FakeOptions = {}, openOptions: CudaOpenOptions = {}) {
  const fake = new FakeDriver({ execute: copyInput, ...options });
  return { fake, backend: await fakeProvider(fake).open(openOptions) };
}

export const square: LinearProblem = {
  op: 'linear',
  ...{ rows: 4, inFeatures: 4, outFeatures: 4, bias: false, activation: 'none' },
};

/** Stands for the kernels of `square`: the output is the input. */
export function copyInput({ arguments: given }: FakeLaunch, fake: FakeDriver): number {
  const plan = planOf(square, { computeCapability: 90, multiprocessors: 132, sharedBytesPerBlock: 232448 });
  const bindings: readonly string[] = plan.steps[0]!.bindings;
  const at = (name: string) => fake.bytesAt(given[bindings.indexOf(name)]!, 64);
  at('output').set(at('input'));
  return 0;
}
