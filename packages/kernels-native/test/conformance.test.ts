// Every op and case of the conformance suite, on the kernels for the architecture that vitest.config.mjs gives.

import { suiteOnDevice, testConformance, testFixtures } from '@flashmla/conformance/vitest';
import { inject, test } from 'vitest';
import { loadAddon, provider } from '../dist/index.js';
import type {} from './architecture.ts';

const suite = await suiteOnDevice(provider);
const architecture = inject('architecture');
const addon = loadAddon();

suite(`native, ${architecture}`, () => {
  const supported =
    typeof addon !== 'string' && addon.architectures.some((each) => each.name === architecture && each.supported);
  if (supported) {
    const open = () => provider.open({ architecture, threads: 2 });
    testConformance(architecture, open);
    testFixtures(architecture, open, new URL('../../../../shared/fixtures/attention/', import.meta.url));
  } else {
    test.skip(`not run: this CPU has no ${architecture}`, () => {});
  }
});
