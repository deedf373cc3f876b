// layer-norm: the residual is added on the way.

import type { LayerNormProblem } from '@flashmla/tensor';
import { float, type Kernel } from '../plan.ts';

export const layerNorm: Kernel<LayerNormProblem> = {
  plan({ rows, modelDim, epsilon, residual }) {
    return {
      steps: [
        {
          shader: 'layer-norm',
          constants: {},
          params: [rows, modelDim, float(epsilon), Number(residual)],
          bindings: ['input', 'residual', 'weight', 'bias', 'output'],
          workgroups: rows,
        },
      ],
      buffers: {},
      usefulMultiplyAdds: 3 * rows * modelDim,
      issuedMultiplyAdds: 3 * rows * modelDim,
    };
  },
};
