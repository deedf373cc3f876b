import type { Activation, LinearGradientProblem } from '@flashmla/tensor';
import type { Case } from '../case.ts';
import { gradientsMatch } from '../compare.ts';
import { inputsFor } from '../seeded-inputs.ts';

const activations: readonly Activation[] = ['none', 'gelu', 'gelu-tanh', 'tanh', 'relu'];

function make(dimensions: Omit<LinearGradientProblem, 'op'>, own: Partial<Case> = {}): Case {
  const problem: LinearGradientProblem = { op: 'linear-gradient', ...dimensions };
  const { rows, inFeatures, outFeatures, bias, activation } = problem;
  const name =
    own.name ?? `linear-gradient: ${rows}×${inFeatures}×${outFeatures}, ${activation}${bias ? ', bias' : ''}`;
  return { problem, inputs: inputsFor(name, problem), check: gradientsMatch(problem), mayRefuse: true, ...own, name };
}

/** Values where a slope is steep, flat, or tempts a kernel into overflow. */
export const tellingSlopes = [
  1e-6, -1e-6, 0.5, -0.5, 1, -1, 3, -3, 4.5, -4.5, 6, -6, 10, -10, 30, -30, 100, -100, 1e4, -1e4,
];

export function* linearGradientCases(): Generator<Case> {
  let turn = 0;
  for (const rows of [1, 7, 62, 213]) {
    for (const inFeatures of [1, 7, 62, 213]) {
      for (const outFeatures of [1, 7, 62, 213]) {
        const activation = activations[turn % activations.length]!;
        yield make({ rows, inFeatures, outFeatures, bias: turn % 3 !== 0, activation });
        turn++;
      }
    }
  }
  for (const activation of activations) {
    for (const bias of [false, true]) yield make({ rows: 16, inFeatures: 64, outFeatures: 96, bias, activation });
    // One feature with weight 1: the slope's own values.
    yield make(
      { rows: tellingSlopes.length, inFeatures: 1, outFeatures: 1, bias: false, activation },
      {
        name: `linear-gradient: ${activation} of values up to ±1e4`,
        inputs: () => ({
          input: Float32Array.from(tellingSlopes),
          weight: Float32Array.of(1),
          outputGradient: new Float32Array(tellingSlopes.length).fill(1),
        }),
      },
    );
  }
  yield make(
    { rows: 1540, inFeatures: 67, outFeatures: 36, bias: true, activation: 'gelu' },
    { name: 'linear-gradient: many rows, five reruns', runs: 5 },
  );
  yield make(
    { rows: 130, inFeatures: 257, outFeatures: 1025, bias: true, activation: 'tanh' },
    { name: 'linear-gradient: many features, five reruns', runs: 5 },
  );
}
