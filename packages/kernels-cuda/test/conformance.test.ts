// Every op and case of the conformance suite, by the kernels' own source on the CPU; and those again that are planned otherwise
// on a device that is full.

import { conformanceCases, runCase } from '@flashmla/conformance';
import type { Problem } from '@flashmla/tensor';
import { beforeAll, describe, test } from 'vitest';
import { planOf, refusal } from '../src/kernels/index.ts';
import type { CudaTraits } from '../src/plan.ts';
import { kernelBackend } from './support/kernel-backend.ts';
import { describeOnShim, shim } from './support/shim.ts';
import { full, large } from './support/traits.ts';

const launchesOn = (problem: Problem, traits: CudaTraits) =>
  refusal(problem, traits) ? '' : JSON.stringify(planOf(problem, traits).steps);

describeOnShim('CUDA kernels on the CPU', () => {
  // Compiled here where it was not yet.
  beforeAll(() => void shim(), 300_000);

  const cases = conformanceCases();
  const plannedOtherwise = cases.filter(({ problem }) => launchesOn(problem, full) !== launchesOn(problem, large));
  for (const [device, traits, chosen] of [
    ['an idle device', large, cases],
    ['a full device', full, plannedOtherwise],
  ] as const) {
    describe(device, () => {
      for (const op of new Set(chosen.map(({ problem }) => problem.op))) {
        describe(op, () => {
          for (const testCase of chosen.filter(({ problem }) => problem.op === op)) {
            test(testCase.name, () => runCase(kernelBackend(traits), testCase), 60_000);
          }
        });
      }
    });
  }
});
