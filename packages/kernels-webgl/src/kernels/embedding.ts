// embedding: one pass; ../shaders/embedding.glsl.

import type { EmbeddingProblem } from '@flashmla/tensor';
import { type Kernel, NONE } from '../plan.ts';
import { shader } from '../shader.ts';
import source from '../shaders/embedding.glsl';

const gather = shader('embedding', source);

export const embedding: Kernel<EmbeddingProblem> = {
  steps: ({ rows, modelDim, vocabulary, positions, types }) => [
    {
      shader: gather,
      output: 'output',
      elements: rows * modelDim,
      arguments: {
        word: 'word',
        tokenIds: 'tokenIds',
        vocabulary,
        position: positions > 0 ? 'position' : NONE,
        positionIds: positions > 0 ? 'positionIds' : NONE,
        positions,
        type: types > 0 ? 'type' : NONE,
        typeIds: types > 0 ? 'typeIds' : NONE,
        types,
        modelDim,
      },
    },
  ],
  issuedMultiplyAdds: () => 0,
};
