// layer-norm; see ../../native/layer-norm.hpp.

import { ceilDivide, type LayerNormProblem } from '@flashmla/tensor';
import { type Kernel, suffixOf } from '../plan.ts';

const ROWS = 16;

export const layerNorm: Kernel<LayerNormProblem> = {
  plan: (problem) => ({
    steps: [
      {
        kernel: `layerNorm_${suffixOf(problem)}`,
        tasks: ceilDivide(problem.rows, ROWS),
        arguments: [
          ...['input', 'residual', 'weight', 'bias', 'output'],
          ...[problem.rows, problem.modelDim, problem.epsilon],
        ],
      },
    ],
    buffers: {},
    threadBytes: 4 * problem.modelDim,
    usefulMultiplyAdds: 4 * problem.rows * problem.modelDim,
    issuedMultiplyAdds: 4 * problem.rows * problem.modelDim,
  }),
};
