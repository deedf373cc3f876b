// Every op and case of the conformance suite, on each build of the kernels that this CPU runs.

import { suiteOnDevice, testConformance, testFixtures } from '@flashmla/conformance/vitest';
import { loadAddon, provider } from '../dist/index.js';

const suite = await suiteOnDevice(provider);
const addon = loadAddon();
const architectures = typeof addon === 'string' ? [] : addon.architectures.filter(({ supported }) => supported);

suite('native', () => {
  for (const { name: architecture } of architectures) {
    const open = () => provider.open({ architecture, threads: 2 });
    testConformance(architecture, open);
    testFixtures(architecture, open, new URL('../../../../shared/fixtures/attention/', import.meta.url));
  }
});
