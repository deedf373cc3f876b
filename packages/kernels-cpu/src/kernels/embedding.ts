// embedding; see ../../assembly/embedding.ts.

import { ceilDivide, type EmbeddingProblem } from '@flashmla/tensor';
import type { Kernel } from '../plan.ts';

const ROWS = 32;

export const embedding: Kernel<EmbeddingProblem> = {
  plan: ({ rows, modelDim, vocabulary, positions, types }) => ({
    steps: [
      {
        kernel: 'embedding',
        tasks: ceilDivide(rows, ROWS),
        arguments: [
          'output',
          rows,
          modelDim,
          'tokenIds',
          'word',
          vocabulary,
          'positionIds',
          'position',
          positions,
          'typeIds',
          'type',
          types,
        ],
      },
    ],
    buffers: {},
    threadBytes: 0,
    usefulMultiplyAdds: 0,
    issuedMultiplyAdds: 0,
  }),
};
