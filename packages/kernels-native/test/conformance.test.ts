// Every op and case of the conformance suite, on the kernels for each architecture that this CPU has.

import { suiteOnDevice, testConformance, testFixtures } from '@flashmla/conformance/vitest';
import { test } from 'vitest';
import { loadAddon, provider } from '../dist/index.js';

const suite = await suiteOnDevice(provider);
const addon = loadAddon();
const architectures = typeof addon === 'string' ? [] : addon.architectures;

suite('native', () => {
  const openers = Object.fromEntries(
    architectures
      .filter(({ supported }) => supported)
      .map(({ name }) => [name, () => provider.open({ architecture: name, threads: 2 })]),
  );
  testConformance(openers);
  testFixtures(openers, new URL('../../../../shared/fixtures/attention/', import.meta.url));
  for (const { name, supported } of architectures) {
    if (!supported) test.skip(`not run: this CPU has no ${name}`, () => {});
  }
});
