// Every op and case of the conformance suite on the GPU of this machine.

import { suiteOnDevice, testConformance, testFixtures } from '@flashmla/conformance/vitest';
import { provider } from '../../dist/index.js';

const describeOnDevice = await suiteOnDevice(provider);

describeOnDevice('CUDA', () => {
  const options = { timeoutMs: 60_000 };
  testConformance('conformance', () => provider.open(), options);
  const fixtures = new URL('../../../../../shared/fixtures/attention/', import.meta.url);
  testFixtures('conformance', () => provider.open(), fixtures, options);
});
