// Every op and case of the conformance suite, by the kernels' own source on the CPU.

import { conformanceCases, runCase } from '@flashmla/conformance';
import { beforeAll, describe, test } from 'vitest';
import { kernelBackend } from './support/kernel-backend.ts';
import { describeOnShim, shim } from './support/shim.ts';
import { large } from './support/traits.ts';

describeOnShim('CUDA kernels on the CPU', () => {
  // Compiled here where it was not yet.
  beforeAll(() => void shim(), 300_000);

  const cases = conformanceCases();
  for (const op of new Set(cases.map(({ problem }) => problem.op))) {
    describe(op, () => {
      for (const testCase of cases.filter(({ problem }) => problem.op === op)) {
        test(testCase.name, () => runCase(kernelBackend(large), testCase), 60_000);
      }
    });
  }
});
