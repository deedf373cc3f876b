// Every op and case of the conformance suite, on every WASM build.

import { testConformance, testFixtures } from '@flashmla/conformance/vitest';
import { trainingOpNames } from '@flashmla/tensor';
import { expect, inject, test } from 'vitest';
import { provider } from '../dist/index.js';
import { builds } from './builds.ts';

const only = inject('build');
const chosen = builds.filter(({ name }) => only === undefined || name === only);

for (const { name, options, features } of chosen) {
  test(`${name}: this is what runs`, async () => {
    await using backend = await provider.open(options);
    expect(backend.device.features).toEqual(features);
    expect(backend.rows).toBeTypeOf('function');
  });
}
const openers = Object.fromEntries(chosen.map(({ name, options }) => [name, () => provider.open(options)]));
testConformance(openers, { requires: trainingOpNames });
testFixtures(openers, new URL('../../../../shared/fixtures/attention/', import.meta.url));
