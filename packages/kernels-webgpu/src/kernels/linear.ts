// linear: tiles of 64 × 64 outputs.

import { type Activation, ceilDivide, type LinearProblem } from '@flashmla/tensor';
import type { Kernel } from '../plan.ts';

const tile = 64;
const activations: readonly Activation[] = ['none', 'gelu', 'gelu-tanh', 'tanh', 'relu'];

export const linear: Kernel<LinearProblem> = {
  plan({ rows, inFeatures, outFeatures, bias, activation }) {
    const tiles = ceilDivide(rows, tile) * ceilDivide(outFeatures, tile);
    return {
      steps: [
        {
          shader: 'linear',
          constants: {},
          params: [rows, inFeatures, outFeatures, Number(bias), activations.indexOf(activation)],
          bindings: ['input', 'weight', 'bias', 'output'],
          workgroups: tiles,
        },
      ],
      buffers: {},
      usefulMultiplyAdds: rows * inFeatures * outFeatures,
      issuedMultiplyAdds: tiles * tile * tile * ceilDivide(inFeatures, 16) * 16,
    };
  },
};
