import { type CastProblem, floatDTypes, reference, roundingTo } from '@flashmla/tensor';
import type { Case, Inputs } from '../case.ts';
import { compare } from '../compare.ts';
import { flatSizes, inputsFor } from '../seeded-inputs.ts';

function make(label: string, dimensions: Omit<CastProblem, 'op'>, change: (inputs: Inputs) => void = () => {}): Case {
  const { from, to, elements } = dimensions;
  const problem: CastProblem = { op: 'cast', ...dimensions };
  const name = `cast: ${from} to ${to}, ${label}`;
  const inputs = inputsFor(name, problem, (given) => {
    change(given);
    given.input = given.input!.map(roundingTo(from));
  });
  const check: Case['check'] = ({ output }, given) =>
    compare('output', output!, reference(problem, given).output!, { absolute: 0, relative: 0, cosine: 1e-9 });
  return { name, problem, inputs, check, mayRefuse: true, runs: elements > 20_000 ? 5 : 1 };
}

/** With each exponent of float32, fractions at, beside and between the numbers that the other types have. */
function tellingNumbers(): Float32Array {
  const fractions = [
    ...[0, 1, 0x0fff, 0x1000, 0x1001, 0x2000, 0x3000, 0x7fff, 0x8000, 0x8001, 0x10000, 0x18000],
    ...[0x3fffff, 0x400000, 0x400001, 0x7fefff, 0x7ff000, 0x7f7fff, 0x7f8000, 0x7fffff],
  ];
  const exponents = Array.from({ length: 2 ** 8 }, (_, exponent) => exponent << 23);
  const bits = exponents.flatMap((exponent) => fractions.map((fraction) => exponent | fraction));
  const positive = new Float32Array(Uint32Array.from(bits).buffer);
  return Float32Array.from([...positive, ...positive.map((value) => -value)]);
}

export function* castCases(): Generator<Case> {
  const numbers = tellingNumbers();
  for (const from of floatDTypes) {
    for (const to of floatDTypes) {
      for (const elements of flatSizes) yield make(`${elements}`, { from, to, elements });
      yield make('numbers at the edges', { from, to, elements: numbers.length }, (inputs) => {
        inputs.input = numbers;
      });
    }
  }
}
