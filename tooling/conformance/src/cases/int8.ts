// linear with input and weight in int8. Where rounding to int8 is exact, so is the result; elsewhere a number halfway between
// two of int8's may go either way, which is one unit of its row's scale.

import { type FloatDType, type LinearProblem, type NumberArray, reference, roundingTo } from '@flashmla/tensor';
import type { Case, Inputs } from '../case.ts';
import { compare, matchesReference } from '../compare.ts';
import { inputsFor } from '../seeded-inputs.ts';

type Sizes = Pick<LinearProblem, 'rows' | 'inFeatures' | 'outFeatures'>;

export function* int8Cases(): Generator<Case> {
  let turn = 0;
  for (const dtype of ['float32', 'bfloat16'] as const) {
    for (const rows of [1, 13, 62]) {
      for (const inFeatures of [1, 7, 66, 213]) {
        for (const outFeatures of [3, 62, 213]) {
          const problem = problemOf({ rows, inFeatures, outFeatures }, dtype, turn);
          const name = `linear: ${rows}×${inFeatures}×${outFeatures}, int8 and ${dtype}, ${problem.activation}`;
          const seeded = inputsFor(name, problem);
          const inputs = () => stored(seeded(), dtype);
          yield turn++ % 2 === 0
            ? {
                name: `${name}, rounding exact`,
                problem,
                inputs: () => gridded(problem, inputs()),
                check: matchesReference(problem),
              }
            : { name, problem, inputs, check: withinUnits(problem) };
        }
      }
    }
  }
  const long = problemOf({ rows: 3, inFeatures: 3072, outFeatures: 40 }, 'float32', 0);
  const name = 'linear: 3×3072×40, int8 and float32, the largest sums';
  yield {
    ...{ name, problem: long, check: matchesReference(long), runs: 5 },
    inputs: () => ({
      input: new Float32Array(long.rows * long.inFeatures).fill(-127),
      weight: new Float32Array(long.outFeatures * long.inFeatures).fill(127),
      bias: new Float32Array(long.outFeatures),
    }),
  };
  const none = problemOf({ rows: 0, inFeatures: 8, outFeatures: 8 }, 'float32', 0);
  yield {
    name: 'linear: no rows, int8',
    problem: none,
    inputs: inputsFor('int8', none),
    check: matchesReference(none),
  };
}

const problemOf = (sizes: Sizes, dtype: FloatDType, turn: number): LinearProblem => ({
  ...{ op: 'linear', ...sizes, bias: turn % 3 !== 0, activation: turn % 4 === 3 ? 'gelu' : 'none' },
  ...{ dtype, quantization: 'int8' },
});

/** Inputs whose rows are whole numbers up to 127, times a power of two; a row of zeros among them. */
function gridded({ inFeatures, bias }: LinearProblem, inputs: Inputs): Inputs {
  const grid = (rows: NumberArray, unit: number) =>
    Float32Array.from(rows, (x, i) => {
      const row = Math.floor(i / inFeatures);
      if (row === 2) return 0;
      const whole = i % inFeatures === 0 ? 127 : Math.max(-127, Math.min(127, Math.round(40 * x)));
      return whole * unit * 2 ** (row % 3);
    });
  return {
    input: grid(inputs.input!, 2 ** -5),
    weight: grid(inputs.weight!, 2 ** -9),
    ...(bias && { bias: inputs.bias! }),
  };
}

/** Numbers that the dtype has. */
const stored = (inputs: Inputs, dtype: FloatDType): Inputs =>
  Object.fromEntries(
    Object.entries(inputs).map(([name, values]) => [name, Float32Array.from(values, roundingTo(dtype))]),
  );

/** Raises where a result is off by more than a few numbers that were rounded the other way. */
function withinUnits(problem: LinearProblem): Case['check'] {
  return (outputs, inputs) => {
    const largest = (rows: NumberArray) => Math.max(...Array.from(rows, Math.abs));
    const unit = (largest(inputs.input!) * largest(inputs.weight!)) / 127;
    const expected = reference(problem, inputs).output!;
    const rounding = problem.dtype === 'bfloat16' ? 2 ** -7 : 1e-4;
    compare('output', outputs.output!, expected, { absolute: 3 * unit, relative: rounding, cosine: 1e-3 });
  };
}
