// layer-norm-gradient: rows, then the sums over them; see ../../assembly/layer-norm-gradient.ts.

import { ceilDivide, type LayerNormGradientProblem } from '@flashmla/tensor';
import { float, type Kernel } from '../plan.ts';

const ROWS = 64;
const COLUMNS = 64;

export const layerNormGradient: Kernel<LayerNormGradientProblem> = {
  plan({ rows, modelDim, epsilon }) {
    const words = [
      ...['input', 'residual', 'weight', 'outputGradient', 'inputGradient'],
      ...['partials', 'weightGradient', 'biasGradient'],
      ...[rows, modelDim, float(epsilon)],
    ];
    const multiplyAdds = 9 * rows * modelDim;
    return {
      steps: [
        { kernel: 'layerNormGradient', tasks: ceilDivide(rows, ROWS), arguments: words },
        { kernel: 'layerNormSums', tasks: ceilDivide(modelDim, COLUMNS), arguments: words },
      ],
      buffers: { partials: 4 * ceilDivide(rows, ROWS) * 2 * modelDim },
      threadBytes: 0,
      usefulMultiplyAdds: multiplyAdds,
      issuedMultiplyAdds: multiplyAdds,
    };
  },
};
