// layer-norm; see ../../assembly/layer-norm.ts.

import { ceilDivide, type LayerNormProblem } from '@flashmla/tensor';
import { float, type Kernel } from '../plan.ts';

const ROWS = 16;

export const layerNorm: Kernel<LayerNormProblem> = {
  plan: ({ rows, modelDim, epsilon }) => ({
    steps: [
      {
        kernel: 'layerNorm',
        tasks: ceilDivide(rows, ROWS),
        arguments: ['input', 'residual', 'weight', 'bias', 'output', rows, modelDim, float(epsilon)],
      },
    ],
    buffers: {},
    threadBytes: 0,
    usefulMultiplyAdds: 4 * rows * modelDim,
    issuedMultiplyAdds: 4 * rows * modelDim,
  }),
};
