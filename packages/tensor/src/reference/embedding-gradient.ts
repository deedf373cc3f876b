// Reference of ops/embedding-gradient.ts.

import type { EmbeddingGradientProblem } from '../ops/embedding-gradient.ts';
import type { NumberArray, Reference } from './arrays.ts';

export const embeddingGradient: Reference<EmbeddingGradientProblem> = (p, inputs) => {
  const sums = (ids: NumberArray, tableRows: number): Float64Array => {
    const gradient = new Float64Array(tableRows * p.modelDim);
    for (let row = 0; row < p.rows; row++) {
      const id = ids[row];
      if (id < 0 || id >= tableRows) continue;
      for (let i = 0; i < p.modelDim; i++) {
        gradient[id * p.modelDim + i] += inputs.outputGradient[row * p.modelDim + i];
      }
    }
    return gradient;
  };
  return {
    wordGradient: sums(inputs.tokenIds, p.vocabulary),
    ...(p.positions > 0 && { positionGradient: sums(inputs.positionIds, p.positions) }),
    ...(p.types > 0 && { typeGradient: sums(inputs.typeIds, p.types) }),
  };
};
