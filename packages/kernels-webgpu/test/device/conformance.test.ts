// Every op and case of the conformance suite on the device that Node finds.

import { testConformance, testFixtures } from '@flashmla/conformance/vitest';
import { provider } from '../../dist/index.js';
import { describeOnDevice } from './support.ts';

describeOnDevice('WebGPU', () => {
  const options = { timeoutMs: 120_000 };
  const openers = { WebGPU: () => provider.open() };
  testConformance(openers, options);
  const fixtures = new URL('../../../../../shared/fixtures/attention/', import.meta.url);
  testFixtures(openers, fixtures, options);
});
