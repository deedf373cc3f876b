// Every op and case of the conformance suite on the GPU of this machine; dense products by our own kernels, too, where cuBLASLt
// does them.

import { suiteOnDevice, testConformance, testFixtures } from '@flashmla/conformance/vitest';
import { provider } from '../../dist/index.js';

const describeOnDevice = await suiteOnDevice(provider);

describeOnDevice('CUDA', () => {
  const options = { timeoutMs: 60_000 };
  testConformance({ CUDA: () => provider.open() }, options);
  testConformance(
    { 'CUDA without cuBLASLt': () => provider.open({ cublas: false }) },
    { ...options, filter: ({ problem }) => problem.op === 'linear' },
  );
  const fixtures = new URL('../../../../../shared/fixtures/attention/', import.meta.url);
  testFixtures({ CUDA: () => provider.open() }, fixtures, options);
});
