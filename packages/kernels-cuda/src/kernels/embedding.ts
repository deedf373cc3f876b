// embedding: a block a row.

import type { EmbeddingProblem } from '@flashmla/tensor';
import { type Kernel, launch, suffixOf } from '../plan.ts';

export const embedding: Kernel<EmbeddingProblem> = {
  plan(problem) {
    const { rows, modelDim, vocabulary, positions, types } = problem;
    return {
      steps: launch(`embedding_${suffixOf(problem)}`, rows, 128, {
        bindings: ['tokenIds', 'word', 'positionIds', 'position', 'typeIds', 'type', 'output'],
        words: [modelDim, vocabulary, positions, types],
      }),
      buffers: {},
      usefulMultiplyAdds: 0,
      issuedMultiplyAdds: 0,
    };
  },
};
