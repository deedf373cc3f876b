// A backend over a driver in memory, and one op for it to run.

import { type LinearProblem, tensor } from '@flashmla/tensor';
import type { CublasApi } from '../src/cublas.ts';
import { Driver } from '../src/driver.ts';
import { type CudaBackend, planOf } from '../src/index.ts';
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

/** 16 numbers from `first` on. */
export const numbers = (first = 0) => Float32Array.from({ length: 16 }, (_, at) => first + at);
export const uploaded = (backend: CudaBackend, first = 0) => backend.upload(tensor(numbers(first), [4, 4]));

/** Runs `square` on `numbers(7)` and then on what comes out, `times` times. */
export async function chain(backend: CudaBackend, times: number, signal?: AbortSignal): Promise<Float32Array> {
  const program = await backend.prepare(square);
  using weight = uploaded(backend);
  let input = uploaded(backend, 7);
  for (let i = 0; i < times; i++) {
    const output = backend.allocate([4, 4], 'float32');
    backend.dispatch(program, { input, weight }, { output }, { signal });
    input.dispose();
    input = output;
  }
  using result = input;
  return (await result.data()) as Float32Array;
}

/** Stands for the kernels of `square`: the output is the input. */
export function copyInput({ arguments: given }: FakeLaunch, fake: FakeDriver): number {
  const plan = planOf(square, { computeCapability: 90, multiprocessors: 132, sharedBytesPerBlock: 232448 });
  const bindings: readonly string[] = plan.steps[0]!.bindings;
  const at = (name: string) => fake.bytesAt(given[bindings.indexOf(name)]!, 64);
  at('output').set(at('input'));
  return 0;
}
