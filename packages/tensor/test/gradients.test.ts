// References of gradients against central finite differences of the forward ops' references, in float64.

import { describe, expect, test } from 'vitest';
import {
  elementCount,
  inputSpecs,
  outputSpecs,
  type Problem,
  randomNormal,
  randomSource,
  reference,
} from '../src/index.ts';

type Arrays = Record<string, Float64Array | Int32Array | Uint8Array>;

/** Element by element (f(x + step) − f(x − step)) / 2·step is off by step²·f‴/6 and by 1e-16·f/step. */
const step = 1e-5;

const normals = (seed: number, count: number): Float64Array => Float64Array.from(randomNormal(count, randomSource(seed)));

/** Normal floats for what `given` leaves out. */
function inputsOf(problem: Problem, given: Arrays = {}): Arrays {
  const named = Object.entries(inputSpecs(problem)).map(([name, { shape }], i) => [
    name,
    given[name] ?? normals(i + 1, elementCount(shape)),
  ]);
  return Object.fromEntries(named);
}

/** What the gradient's reference is off by, in relation to the size of the whole tensor. */
function relativeError(actual: ArrayLike<number>, expected: Float64Array): number {
  let [error, size] = [0, 0];
  for (const [i, value] of expected.entries()) {
    error += (actual[i]! - value) ** 2;
    size += value ** 2;
  }
  return Math.sqrt(error / size);
}

/**
 * Raises unless `gradient`, given weights for the elements of the forward op's output, tells how their weighted sum
 * changes with each input in `names`.
 */
function expectGradients(forward: Problem, gradient: Problem, names: readonly string[], given: Arrays = {}): void {
  const inputs = inputsOf(forward, given);
  const output = Object.keys(outputSpecs(forward))[0]!;
  const outputs = reference(forward, inputs);
  const weights = normals(99, outputs[output]!.length);
  const loss = (changed: Arrays) => {
    const values = reference(forward, changed)[output]!;
    return weights.reduce((sum, weight, i) => sum + weight * values[i]!, 0);
  };
  const gradients = reference(gradient, { ...inputs, ...outputs, outputGradient: weights } as Arrays);
  for (const name of names) {
    const values = inputs[name] as Float64Array;
    const differences = values.map((value, i) => {
      const at = (changed: number) => loss({ ...inputs, [name]: values.with(i, changed) });
      return (at(value + step) - at(value - step)) / (2 * step);
    });
    expect(relativeError(gradients[`${name}Gradient`]!, differences), name).toBeLessThanOrEqual(1e-6);
  }
}

describe('linear-gradient', () => {
  test.each(['none', 'gelu', 'gelu-tanh', 'tanh', 'relu'] as const)('%s', (activation) => {
    for (const bias of [false, true]) {
      const sizes = { rows: 5, inFeatures: 7, outFeatures: 3, bias, activation };
      expectGradients({ op: 'linear', ...sizes }, { op: 'linear-gradient', ...sizes }, [
        'input',
        'weight',
        ...(bias ? ['bias'] : []),
      ]);
    }
  });
});

test.each([false, true])('layer-norm-gradient, residual: %s', (residual) => {
  const sizes = { rows: 4, modelDim: 9, epsilon: 1e-5, residual };
  const forward = { op: 'layer-norm', ...sizes } as const;
  const gradient = { op: 'layer-norm-gradient', ...sizes } as const;
  expectGradients(forward, gradient, ['input', 'weight', 'bias']);
  if (!residual) return;
  const inputs = inputsOf(forward);
  const swapped = { ...inputs, input: inputs.residual!, residual: inputs.input! };
  const outputGradient = normals(3, 36);
  expect(reference(gradient, { ...inputs, outputGradient })).toEqual(
    reference(gradient, { ...swapped, outputGradient }),
  );
});
