// embedding: rows of up to three tables, added.

import { ceilDivide, type EmbeddingProblem } from '@flashmla/tensor';
import { float, type Kernel } from '../plan.ts';

export const embedding: Kernel<EmbeddingProblem> = {
  plan({ rows, modelDim, vocabulary, positions, types }) {
    return {
      steps: [
        {
          shader: 'embedding',
          constants: {},
          params: [rows, modelDim, vocabulary, positions, types, float(Number.NaN)],
          bindings: ['tokenIds', 'word', 'positionIds', 'position', 'typeIds', 'type', 'output'],
          workgroups: ceilDivide(rows * modelDim, 64),
        },
      ],
      buffers: {},
      usefulMultiplyAdds: 0,
      issuedMultiplyAdds: 0,
    };
  },
};
