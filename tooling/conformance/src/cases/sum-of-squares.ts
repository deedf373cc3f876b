import { reference, type SumOfSquaresProblem } from '@flashmla/tensor';
import type { Case, Inputs } from '../case.ts';
import { compare } from '../compare.ts';
import { flatSizes, inputsFor } from '../seeded-inputs.ts';

function make(label: string, elements: number, change?: (inputs: Inputs) => void): Case {
  const problem: SumOfSquaresProblem = { op: 'sum-of-squares', elements };
  const name = `sum-of-squares: ${label}`;
  const check: Case['check'] = ({ output }, given) => {
    const expected = reference(problem, given).output!.map(Math.fround);
    compare('output', output!, expected, { absolute: 0, relative: 1e-6, cosine: 1e-9 });
  };
  const inputs = inputsFor(name, problem, change);
  return { name, problem, inputs, check, mayRefuse: true, runs: elements > 20_000 ? 5 : 1 };
}

export function* sumOfSquaresCases(): Generator<Case> {
  for (const elements of flatSizes) yield make(`${elements}`, elements);
  yield make('a million, one of them large', 1_000_003, (inputs) => inputs.input!.fill(1e4, 77, 78));
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    for (const at of [0, 998]) yield make(`${value} at ${at}`, 999, (inputs) => inputs.input!.fill(value, at, at + 1));
  }
  yield make('a sum too large for float32', 999, (inputs) => inputs.input!.fill(1e19));
  yield make('the largest sum that is not', 8, (inputs) => inputs.input!.fill(6.5e18));
}
