// layer-norm: a block a row.

import type { LayerNormProblem } from '@flashmla/tensor';
import { float, type Kernel, launch, suffixOf } from '../plan.ts';

export const layerNorm: Kernel<LayerNormProblem> = {
  plan(problem) {
    const { rows, modelDim, epsilon } = problem;
    return {
      steps: launch(`layer_norm_${suffixOf(problem)}`, rows, 128, {
        bindings: ['input', 'residual', 'weight', 'bias', 'output'],
        words: [modelDim, float(epsilon)],
      }),
      buffers: {},
      usefulMultiplyAdds: 3 * rows * modelDim,
      issuedMultiplyAdds: 3 * rows * modelDim,
    };
  },
};
