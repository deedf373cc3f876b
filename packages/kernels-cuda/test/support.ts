// A backend over a driver in memory, and one op for it to run.

import type { LinearProblem } from '@flashmla/tensor';
import { Driver } from '../src/driver.ts';
import { planOf } from '../src/index.ts';
import { type CudaOpenOptions, providerOver } from '../src/provider.ts';
import { FakeDriver, type FakeLaunch, type FakeOptions } from './fake-driver.ts';

export const image = Uint8Array.of(1, 2, 3);

/** A provider whose driver and kernels are in memory. */
export function fakeProvider(fake: FakeDriver) {
  return providerOver(
    async () => {
      const driver = new Driver(fake);
      driver.initialize();
      return driver;
    },
    async () => image,
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
  const { bindings } = planOf(square, { computeCapability: 90, multiprocessors: 132, sharedBytesPerBlock: 232448 })
    .steps[0]!;
  const at = (name: string) => fake.bytesAt(given[bindings.indexOf(name)]!, 64);
  at('output').set(at('input'));
  return 0;
}
