import type { AddProblem } from '@flashmla/tensor';
import type { Case } from '../case.ts';
import { matchesReference } from '../compare.ts';
import { flatSizes, inputsFor } from '../seeded-inputs.ts';

export function* addCases(): Generator<Case> {
  for (const elements of flatSizes) {
    const problem: AddProblem = { op: 'add', elements };
    const name = `add: ${elements}`;
    const inputs = inputsFor(name, problem);
    yield { name, problem, inputs, check: matchesReference(problem), mayRefuse: true, runs: elements > 20_000 ? 5 : 1 };
  }
}
