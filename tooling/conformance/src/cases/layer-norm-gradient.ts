import type { LayerNormGradientProblem } from '@flashmla/tensor';
import type { Case, Inputs } from '../case.ts';
import { gradientsMatch } from '../compare.ts';
import { inputsFor } from '../seeded-inputs.ts';

function make(
  label: string,
  dimensions: Partial<LayerNormGradientProblem>,
  change?: (inputs: Inputs) => void,
  runs = 1,
): Case {
  const problem: LayerNormGradientProblem = {
    op: 'layer-norm-gradient',
    rows: 62,
    modelDim: 256,
    epsilon: 1e-5,
    residual: false,
    ...dimensions,
  };
  const name = `layer-norm-gradient: ${label}`;
  const inputs = inputsFor(name, problem, change);
  return { name, problem, inputs, check: gradientsMatch(problem), mayRefuse: true, runs };
}

export function* layerNormGradientCases(): Generator<Case> {
  for (const residual of [false, true]) {
    const suffix = residual ? ', residual' : '';
    for (const rows of [1, 62, 64, 65, 213]) {
      for (const modelDim of [3, 12, 62, 256, 1025]) {
        yield make(`${rows}×${modelDim}${suffix}`, { rows, modelDim, residual });
      }
    }
    yield make(`five reruns${suffix}`, { rows: 1030, modelDim: 770, residual }, undefined, 5);
  }
  yield make('mean 8, deviation 1', {}, (inputs) => {
    inputs.input = inputs.input!.map((value) => value + 8);
  });
}
