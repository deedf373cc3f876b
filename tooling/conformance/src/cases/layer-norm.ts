import type { LayerNormProblem } from '@flashmla/tensor';
import type { Case, Inputs } from '../case.ts';
import { matchesReference } from '../compare.ts';
import type { Random } from '../random.ts';
import { inputsFor } from '../seeded-inputs.ts';

function make(
  label: string,
  dimensions: Partial<LayerNormProblem>,
  change?: (inputs: Inputs, random: Random) => void,
  own: Partial<Case> = {},
): Case {
  const problem: LayerNormProblem = {
    op: 'layer-norm',
    rows: 62,
    modelDim: 256,
    epsilon: 1e-12,
    residual: false,
    ...dimensions,
  };
  const name = `layer-norm: ${label}`;
  return { name, problem, inputs: inputsFor(name, problem, change), check: matchesReference(problem), ...own };
}

export function* layerNormCases(): Generator<Case> {
  for (const residual of [false, true]) {
    const suffix = residual ? ', residual' : '';
    for (const rows of [1, 62, 213]) {
      for (const modelDim of [1, 3, 12, 62, 256, 768, 1025]) {
        yield make(`${rows}×${modelDim}${suffix}`, { rows, modelDim, residual, epsilon: 1e-5 });
      }
    }
    yield make(`five reruns${suffix}`, { rows: 213, modelDim: 770, residual }, undefined, { runs: 5 });
    yield make(`no rows${suffix}`, { rows: 0, residual });
  }
  yield make(
    'variance about as small as epsilon',
    {},
    (inputs, random) => {
      inputs.input = random.normals(inputs.input!.length, 1e-6);
    },
    { wideRange: true },
  );
  yield make('no variance: the bias is left', {}, (inputs) => {
    inputs.input!.fill(0.5);
  });
  yield make('mean 8, deviation 1', { epsilon: 1e-5 }, (inputs) => {
    inputs.input = inputs.input!.map((value) => value + 8);
  });
  yield make(
    'values of 1e6',
    { epsilon: 1e-5 },
    (inputs) => {
      inputs.input = inputs.input!.map((value) => value * 1e6);
    },
    { wideRange: true },
  );
  yield make('a row of NaN stays alone', {}, (inputs) => {
    inputs.input![256 * 7 + 3] = Number.NaN;
  });
}
