// linear: one pass, an element of the output a fragment; ../shaders/linear.glsl.

import type { LinearProblem } from '@flashmla/tensor';
import { type Kernel, NONE } from '../plan.ts';
import { shader } from '../shader.ts';
import source from '../shaders/linear.glsl';

const multiply = shader('linear', source);
const ACTIVATIONS = ['none', 'gelu', 'gelu-tanh', 'tanh', 'relu'];

export const linear: Kernel<LinearProblem> = {
  steps: ({ rows, inFeatures, outFeatures, bias, activation }) => [
    {
      shader: multiply,
      output: 'output',
      elements: rows * outFeatures,
      arguments: {
        x: 'input',
        weight: 'weight',
        bias: bias ? 'bias' : NONE,
        hasBias: Number(bias),
        inFeatures,
        outFeatures,
        activation: ACTIVATIONS.indexOf(activation),
      },
    },
  ],
  issuedMultiplyAdds: ({ rows, inFeatures, outFeatures }) => rows * inFeatures * outFeatures,
};
