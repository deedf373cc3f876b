import type { EmbeddingProblem } from '@flashmla/tensor';
import type { Case, Inputs } from '../case.ts';
import { matchesReference } from '../compare.ts';
import { inputsFor } from '../seeded-inputs.ts';

function make(label: string, dimensions: Partial<EmbeddingProblem>, change?: (inputs: Inputs) => void, runs = 1): Case {
  const problem: EmbeddingProblem = {
    op: 'embedding',
    rows: 62,
    modelDim: 64,
    vocabulary: 97,
    positions: 0,
    types: 0,
    ...dimensions,
  };
  const name = `embedding: ${label}`;
  return { name, problem, inputs: inputsFor(name, problem, change), check: matchesReference(problem), runs };
}

const outside = (tableRows: number) => [-(2 ** 31), -1, tableRows, 2 ** 31 - 1];

export function* embeddingCases(): Generator<Case> {
  for (const [positions, types] of [
    [0, 0],
    [80, 0],
    [0, 2],
    [80, 2],
  ] as const) {
    const tables = `word${positions ? ' + position' : ''}${types ? ' + type' : ''}`;
    for (const modelDim of [1, 3, 62, 256]) yield make(`${tables}, ${modelDim} wide`, { modelDim, positions, types });
    yield make(`${tables}, one row`, { rows: 1, positions, types });
    yield make(`${tables}, ids outside their tables`, { positions, types }, (inputs) => {
      inputs.tokenIds!.set(outside(97), 3);
      inputs.positionIds?.set(outside(80), 20);
      inputs.typeIds?.set(outside(2), 40);
    });
  }
  yield make('an odd number of elements', { rows: 61, modelDim: 63, positions: 80 });
  yield make('no rows', { rows: 0 });
  yield make('five reruns', { rows: 1025, modelDim: 30, positions: 80, types: 2 }, undefined, 5);
}
