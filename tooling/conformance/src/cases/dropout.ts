import { type DropoutProblem, reference } from '@flashmla/tensor';
import type { Case, Inputs } from '../case.ts';
import { compare } from '../compare.ts';
import { flatSizes, inputsFor } from '../seeded-inputs.ts';

function make(label: string, elements: number, rate: number, change?: (inputs: Inputs) => void): Case {
  const problem: DropoutProblem = { op: 'dropout', elements, rate };
  const name = `dropout: ${label}`;
  const inputs = inputsFor(name, problem, (given, random) => {
    given.seed = random.integers(1, -(2 ** 31), 2 ** 31);
    change?.(given);
  });
  const check: Case['check'] = ({ output }, given) => {
    const expected = reference(problem, given).output!;
    const wrong = expected.findIndex((value, i) => (value === 0) !== (output![i] === 0));
    if (wrong >= 0)
      throw new Error(`element ${wrong} is ${output![wrong]} instead of ${expected[wrong]}: another mask`);
    compare('output', output!, expected, { absolute: 0, relative: 1e-6, cosine: 1e-9 });
  };
  return { name, problem, inputs, check, mayRefuse: true, runs: elements > 20_000 ? 5 : 1 };
}

export function* dropoutCases(): Generator<Case> {
  for (const elements of flatSizes) yield make(`${elements}, 0.1`, elements, 0.1);
  for (const rate of [0, 1e-9, 0.5, 0.9, 1 - 2 ** -33]) yield make(`rate ${rate}`, 1000, rate);
  for (const seed of [0, 1, -1, 2 ** 31 - 1, -(2 ** 31)]) {
    yield make(`seed ${seed}`, 1000, 0.5, (inputs) => inputs.seed!.fill(seed));
  }
  yield make('infinities and NaN', 300, 0.5, (inputs) => {
    inputs.input!.fill(Number.NaN, 0, 100).fill(Number.POSITIVE_INFINITY, 100, 200);
  });
}
