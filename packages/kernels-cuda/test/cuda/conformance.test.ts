// Every op and case of the conformance suite on the GPU of this machine; dense products by our own kernels, too, where cuBLASLt
// does them.

import { suiteOnDevice, testConformance, testFixtures } from '@flashmla/conformance/vitest';
import { provider } from '../../dist/index.js';

const describeOnDevice = await suiteOnDevice(provider);

describeOnDevice('CUDA', () => {
  const options = { timeoutMs: 60_000 };
  testConformance('conformance', () => provider.open(), options);
  testConformance('conformance without cuBLASLt', () => provider.open({ cublas: false }), {
    ...options,
    filter: ({ problem }) => problem.op === 'linear',
  });
  const fixtures = new URL('../../../../../shared/fixtures/attention/', import.meta.url);
  testFixtures('conformance', () => provider.open(), fixtures, options);
});
