// Every op and case of the conformance suite, on each of the three WASM builds.

import { testConformance, testFixtures } from '@flashmla/conformance/vitest';
import { trainingOpNames } from '@flashmla/tensor';
import { expect, test } from 'vitest';
import type { CpuOpenOptions } from '../dist/index.js';
import { provider } from '../dist/index.js';

const builds: [string, CpuOpenOptions, string[]][] = [
  ['SIMD128, two threads', { threads: 2, relaxedSimd: false }, ['simd128', 'threads', 'int8']],
  ['relaxed SIMD, two threads', { threads: 2 }, ['simd128', 'relaxed-simd', 'threads', 'int8']],
  ['one worker without shared memory', { sharedMemory: false }, ['simd128', 'int8']],
];

for (const [name, options, features] of builds) {
  test(`${name}: this is what runs`, async () => {
    await using backend = await provider.open(options);
    expect(backend.device.features).toEqual(features);
    expect(backend.rows).toBeTypeOf('function');
  });
  testConformance(name, () => provider.open(options), { requires: trainingOpNames });
  testFixtures(name, () => provider.open(options), new URL('../../../../shared/fixtures/attention/', import.meta.url));
}
