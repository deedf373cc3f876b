// Every op and case of the conformance suite, by the kernels' own source on the CPU; those again that are planned otherwise on a
// device that is full; and of each op some by every other way to run them.

import { conformanceCases, runCase } from '@flashmla/conformance';
import type { Problem } from '@flashmla/tensor';
import { beforeAll, describe, test } from 'vitest';
import { planOf, refusal, variantsOf } from '../src/kernels/index.ts';
import type { CudaTraits } from '../src/plan.ts';
import { kernelBackend } from './support/kernel-backend.ts';
import { describeOnShim, shim } from './support/shim.ts';
import { full, large } from './support/traits.ts';

/** Of the cases of an op that run in several ways, each so many-th is run in all of them. */
const variantStep = 4;

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

  describe('other variants', () => {
    for (const op of new Set(cases.map(({ problem }) => problem.op))) {
      const varied = cases.filter(
        ({ problem }) => problem.op === op && !refusal(problem, large) && variantsOf(problem, large).length > 1,
      );
      for (const testCase of varied.filter((_, at) => at % variantStep === 0)) {
        for (const variant of variantsOf(testCase.problem, large).slice(1)) {
          test(`${testCase.name}, ${variant}`, () => runCase(kernelBackend(large), testCase, { variant }), 60_000);
        }
      }
    }
  });
});
