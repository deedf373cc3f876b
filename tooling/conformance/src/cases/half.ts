// Cases in half precision: of every op that has it, some of its float32 cases with the inputs rounded to float16.

import {
  float16ToFloat32,
  float32ToFloat16,
  inputSpecs,
  type OpName,
  outputSpecs,
  type Problem,
  type TensorSpec,
} from '@flashmla/tensor';
import type { Case, Inputs } from '../case.ts';
import { matchesReference } from '../compare.ts';

/**
 * Of the ops with many cases, each n-th is taken; n has no divisor in common with the numbers of options, sizes and shapes
 * that cases go through, so that all of them come up.
 */
const every: Partial<Record<OpName, number>> = {
  linear: 7,
  'sparse-attention': 7,
  'gate-projection': 3,
  'block-pool': 5,
};

export function* halfCases(cases: readonly Case[]): Generator<Case> {
  const turns = new Map<OpName, number>();
  for (const testCase of cases) {
    const problem = { ...testCase.problem, dtype: 'float16' } as Problem;
    const { op } = problem;
    if (testCase.float32Only || !hasHalf(problem)) continue;
    const turn = turns.get(op) ?? 0;
    turns.set(op, turn + 1);
    if (turn % (every[op] ?? 1) !== 0) continue;
    yield {
      ...testCase,
      name: `${testCase.name}, float16`,
      problem,
      inputs: () => rounded(problem, testCase.inputs()),
      check: matchesReference(problem),
    };
  }
}

const isHalf = ({ dtype }: TensorSpec) => dtype === 'float16';
const hasHalf = (problem: Problem) => Object.values({ ...inputSpecs(problem), ...outputSpecs(problem) }).some(isHalf);

/** Numbers that float16 has, still in a Float32Array. */
function rounded(problem: Problem, inputs: Inputs): Inputs {
  const names = Object.entries(inputSpecs(problem)).flatMap(([name, spec]) => (isHalf(spec) ? [name] : []));
  const values = names.map((name) => [name, float16ToFloat32(float32ToFloat16(inputs[name] as Float32Array))]);
  return { ...inputs, ...Object.fromEntries(values) };
}
