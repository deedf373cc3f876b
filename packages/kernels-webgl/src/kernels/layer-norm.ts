// layer-norm: the moments of each row, then each element; ../shaders/layer-norm-moments.glsl and layer-norm.glsl.

import type { LayerNormProblem } from '@flashmla/tensor';
import { type Kernel, NONE } from '../plan.ts';
import { shader } from '../shader.ts';
import source from '../shaders/layer-norm.glsl';
import momentsSource from '../shaders/layer-norm-moments.glsl';

const moments = shader('layer-norm-moments', momentsSource);
const normalize = shader('layer-norm', source);

export const layerNorm: Kernel<LayerNormProblem> = {
  steps({ rows, modelDim, epsilon, residual }) {
    const row = { x: 'input', residual: residual ? 'residual' : NONE, hasResidual: Number(residual), modelDim };
    return [
      { shader: moments, output: 'moments', elements: rows, arguments: { ...row, epsilon } },
      {
        shader: normalize,
        output: 'output',
        elements: rows * modelDim,
        arguments: { ...row, moments: 'moments', weight: 'weight', bias: 'bias' },
      },
    ];
  },
  issuedMultiplyAdds: ({ rows, modelDim }) => 4 * rows * modelDim,
};
