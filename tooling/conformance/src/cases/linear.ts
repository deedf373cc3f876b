import type { Activation, LinearProblem } from '@flashmla/tensor';
import type { Case } from '../case.ts';
import { matchesReference } from '../compare.ts';
import { inputsFor } from '../seeded-inputs.ts';

const activations: readonly Activation[] = ['none', 'gelu', 'gelu-tanh', 'tanh', 'relu'];

const make = (dimensions: Omit<LinearProblem, 'op'>, linearWeight: boolean, own: Partial<Case> = {}): Case => {
  const problem: LinearProblem = { op: 'linear', ...dimensions };
  const { rows, inFeatures, outFeatures, bias, activation } = problem;
  const name =
    own.name ??
    `linear: ${rows}×${inFeatures}×${outFeatures}, ${activation}${bias ? ', bias' : ''}${linearWeight ? ', packed weight' : ''}`;
  return { problem, linearWeight, inputs: inputsFor(name, problem), check: matchesReference(problem), ...own, name };
};

/** Values where an activation is steep, flat, or tempts a kernel into overflow. */
const telling = [0, -0, 1e-6, -1e-6, 0.5, -0.5, 1, -1, 3, -3, 4.5, -4.5, 6, -6, 10, -10, 30, -30, 100, -100, 1e4, -1e4];

export function* linearCases(): Generator<Case> {
  let turn = 0;
  for (const rows of [1, 3, 7, 62, 213]) {
    for (const inFeatures of [1, 3, 7, 62, 213]) {
      for (const outFeatures of [1, 3, 7, 62, 213]) {
        const activation = activations[turn % activations.length]!;
        yield make({ rows, inFeatures, outFeatures, bias: turn % 3 !== 0, activation }, turn % 2 === 0);
        turn++;
      }
    }
  }
  for (const activation of activations) {
    for (const bias of [false, true]) {
      for (const packed of [false, true]) {
        yield make({ rows: 16, inFeatures: 64, outFeatures: 96, bias, activation }, packed);
      }
    }
    // One feature with weight 1: the activation's own values.
    const problem = { rows: telling.length, inFeatures: 1, outFeatures: 1, bias: false, activation };
    yield make(problem, false, {
      name: `linear: ${activation} of values up to ±1e4`,
      inputs: () => ({ input: Float32Array.from(telling), weight: Float32Array.of(1) }),
    });
  }
  yield make({ rows: 0, inFeatures: 8, outFeatures: 8, bias: true, activation: 'none' }, true, {
    name: 'linear: no rows',
  });
  yield make({ rows: 1025, inFeatures: 68, outFeatures: 12, bias: true, activation: 'gelu' }, true);
  yield make({ rows: 2, inFeatures: 1025, outFeatures: 1025, bias: true, activation: 'none' }, true);
  yield make({ rows: 5, inFeatures: 1540, outFeatures: 67, bias: true, activation: 'gelu-tanh' }, true, {
    name: 'linear: few rows, a long sum, five reruns',
    runs: 5,
  });
  yield make({ rows: 130, inFeatures: 257, outFeatures: 129, bias: true, activation: 'gelu' }, true, {
    name: 'linear: five reruns',
    runs: 5,
  });
}
