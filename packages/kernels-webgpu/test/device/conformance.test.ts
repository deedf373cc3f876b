// Every op and case of the conformance suite on the device that Node finds.

import { testConformance, testFixtures } from '@flashmla/conformance/vitest';
import { provider } from '../../dist/index.js';
import { describeOnDevice } from './support.ts';

describeOnDevice('WebGPU', () => {
  const options = { timeoutMs: 120_000 };
  testConformance('float32', () => provider.open(), options);
  const fixtures = new URL('../../../../../shared/fixtures/attention/', import.meta.url);
  testFixtures('float32', () => provider.open(), fixtures, options);
});
