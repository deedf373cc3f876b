// Every op and case of the conformance suite, on the WASM build that vitest.config.ts gives.

import { testConformance, testFixtures } from '@flashmla/conformance/vitest';
import { trainingOpNames } from '@flashmla/tensor';
import { expect, inject, test } from 'vitest';
import { provider } from '../dist/index.js';
import type {} from './builds.ts';

const { name, options, features } = inject('build');

test(`${name}: this is what runs`, async () => {
  await using backend = await provider.open(options);
  expect(backend.device.features).toEqual(features);
  expect(backend.rows).toBeTypeOf('function');
});
testConformance(name, () => provider.open(options), { requires: trainingOpNames });
testFixtures(name, () => provider.open(options), new URL('../../../../shared/fixtures/attention/', import.meta.url));
