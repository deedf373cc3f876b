// embedding; see ../../native/embedding.hpp.

import { ceilDivide, type EmbeddingProblem } from '@flashmla/tensor';
import { type Kernel, suffixOf } from '../plan.ts';

const ROWS = 32;

export const embedding: Kernel<EmbeddingProblem> = {
  plan: (problem) => ({
    steps: [
      {
        kernel: `embedding_${suffixOf(problem)}`,
        tasks: ceilDivide(problem.rows, ROWS),
        arguments: [
          ...['output', problem.rows, problem.modelDim],
          ...['tokenIds', 'word', problem.vocabulary],
          ...['positionIds', 'position', problem.positions],
          ...['typeIds', 'type', problem.types],
        ],
      },
    ],
    buffers: {},
    threadBytes: 0,
    usefulMultiplyAdds: 0,
    issuedMultiplyAdds: 0,
  }),
};
