import type { EmbeddingGradientProblem } from '@flashmla/tensor';
import type { Case, Inputs } from '../case.ts';
import { gradientsMatch } from '../compare.ts';
import { inputsFor } from '../seeded-inputs.ts';

function make(
  label: string,
  dimensions: Partial<EmbeddingGradientProblem>,
  change?: (inputs: Inputs) => void,
  runs = 1,
): Case {
  const problem: EmbeddingGradientProblem = {
    op: 'embedding-gradient',
    rows: 62,
    modelDim: 64,
    vocabulary: 97,
    positions: 0,
    types: 0,
    ...dimensions,
  };
  const name = `embedding-gradient: ${label}`;
  const inputs = inputsFor(name, problem, change);
  return { name, problem, inputs, check: gradientsMatch(problem), mayRefuse: true, runs };
}

const outside = (tableRows: number) => [-(2 ** 31), -1, tableRows, 2 ** 31 - 1];

export function* embeddingGradientCases(): Generator<Case> {
  for (const [positions, types] of [
    [0, 0],
    [80, 0],
    [0, 2],
    [80, 2],
  ] as const) {
    const tables = `word${positions ? ' + position' : ''}${types ? ' + type' : ''}`;
    for (const modelDim of [1, 3, 62, 256]) yield make(`${tables}, ${modelDim} wide`, { modelDim, positions, types });
    yield make(`${tables}, ids outside their tables`, { positions, types }, (inputs) => {
      inputs.tokenIds!.set(outside(97), 3);
      inputs.positionIds?.set(outside(80), 20);
      inputs.typeIds?.set(outside(2), 40);
    });
  }
  yield make('a table of one row', { vocabulary: 1 });
  yield make('three rows of a matrix', { rows: 3, vocabulary: 1025 }, (inputs) => inputs.tokenIds!.set([0, 512, 1024]));
  yield make('more ids than rows, five reruns', { rows: 1025, modelDim: 30, positions: 80, types: 2 }, undefined, 5);
}
