// Ops of training may be missing on a backend: then they are refused by name, all problems of an op alike.

import type { Backend, TrainingOpName } from '@flashmla/tensor';
import type { Case } from './case.ts';

/**
 * The reasons with which `backend` refuses `op` by its name: none, or one for each case of the op.
 *
 * Raises when some cases are refused so and others are not, or when any is and `required` names the op.
 */
export function refusedByName(
  backend: Backend,
  op: TrainingOpName,
  cases: readonly Case[],
  required: readonly TrainingOpName[] = [],
): readonly string[] {
  const problems = cases.map(({ problem }) => problem).filter((problem) => problem.op === op);
  const reasons = problems.flatMap((problem) => {
    const support = backend.supports(problem);
    return support.supported || !support.reason.includes(op) ? [] : [support.reason];
  });
  if (reasons.length === 0) return reasons;
  if (reasons.length < problems.length) {
    throw new Error(
      `${op} is refused by its name in ${reasons.length} of ${problems.length} cases, expected all or none`,
    );
  }
  if (required.includes(op)) throw new Error(`${op} is refused, and must be done here: ${reasons[0]}`);
  return reasons;
}
