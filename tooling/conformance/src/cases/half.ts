// Cases in half precision: of every op that has it, some of its float32 cases with the inputs rounded to float16, and to
// bfloat16.

import { type FloatDType, inputSpecs, type OpName, type Problem, roundingTo } from '@flashmla/tensor';
import type { Case, Inputs } from '../case.ts';
import { matchesReference } from '../compare.ts';

/**
 * Of the ops with many cases, each n-th is taken, and those that run several times; n has no divisor in common with the
 * numbers of options, sizes and shapes that cases go through, so that all of them come up.
 */
const every: Partial<Record<OpName, number>> = {
  linear: 7,
  'sparse-attention': 5,
  'gate-projection': 3,
  'block-pool': 5,
};

export const halfCases = (cases: readonly Case[]): Case[] => [
  ...casesIn('float16', cases),
  ...casesIn('bfloat16', cases),
];

function* casesIn(dtype: FloatDType, cases: readonly Case[]): Generator<Case> {
  const turns = new Map<OpName, number>();
  for (const testCase of cases) {
    const problem = { ...testCase.problem, dtype } as Problem;
    const { op } = problem;
    const specs = inputSpecs(testCase.problem);
    const names = Object.entries(inputSpecs(problem)).flatMap(([name, spec]) =>
      spec.dtype === dtype && specs[name]!.dtype !== dtype ? [name] : [],
    );
    if (names.length === 0 || (testCase.wideRange && dtype === 'float16')) continue;
    const turn = turns.get(op) ?? 0;
    turns.set(op, turn + 1);
    if (turn % (every[op] ?? 1) !== 0 && !testCase.runs) continue;
    yield {
      ...testCase,
      name: `${testCase.name}, ${dtype}`,
      problem,
      inputs: () => rounded(testCase.inputs(), names, roundingTo(dtype)),
      check: matchesReference(problem),
    };
  }
}

/** The inputs that are named by numbers that the dtype has, still in a Float32Array. */
function rounded(inputs: Inputs, names: readonly string[], round: (value: number) => number): Inputs {
  const values = names.map((name) => [name, inputs[name]!.map(round)]);
  return { ...inputs, ...Object.fromEntries(values) };
}
