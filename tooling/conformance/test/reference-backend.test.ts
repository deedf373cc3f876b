// The suite on the reference backend: it shows that the cases, the checks and the references agree with each other.

import { type ReferenceBackend, referenceBackend } from '../src/index.ts';
import { testConformance, testFixtures, testLoss } from '../src/vitest.ts';

const openers = { 'reference backend': async () => referenceBackend() };
testConformance(openers);
testFixtures(openers, new URL('../../../../shared/fixtures/attention/', import.meta.url));
testLoss(
  'reference backend',
  async () => referenceBackend(),
  (backend) => (backend as ReferenceBackend).lose(),
);
