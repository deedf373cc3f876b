// layer-norm-gradient: rows, then the sums over them; see ../../native/layer-norm-gradient.hpp.

import { ceilDivide, type LayerNormGradientProblem } from '@flashmla/tensor';
import type { Kernel } from '../plan.ts';

const ROWS = 64;
const COLUMNS = 64;

export const layerNormGradient: Kernel<LayerNormGradientProblem> = {
  plan({ rows, modelDim, epsilon }) {
    const parts = ceilDivide(rows, ROWS);
    const multiplyAdds = 9 * rows * modelDim;
    return {
      steps: [
        {
          kernel: 'layerNormGradient',
          tasks: parts,
          arguments: [
            ...['input', 'residual', 'weight', 'outputGradient', 'inputGradient', 'partials'],
            ...[rows, modelDim, epsilon],
          ],
        },
        {
          kernel: 'layerNormSums',
          tasks: ceilDivide(modelDim, COLUMNS),
          arguments: ['partials', 'weightGradient', 'biasGradient', rows, modelDim],
        },
      ],
      buffers: { partials: 4 * parts * 2 * modelDim },
      threadBytes: 0,
      usefulMultiplyAdds: multiplyAdds,
      issuedMultiplyAdds: multiplyAdds,
    };
  },
};
