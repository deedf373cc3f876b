// linear: one pass; ../shaders/linear.glsl, or four columns a fragment, ../shaders/linear-quads.glsl.

import type { LinearProblem } from '@flashmla/tensor';
import { type Kernel, NONE } from '../plan.ts';
import { shader } from '../shader.ts';
import source from '../shaders/linear.glsl';
import activationSource from '../shaders/linear-activation.glsl';
import quadsSource from '../shaders/linear-quads.glsl';

const multiply = shader('linear', activationSource, source);
const multiplyQuads = shader('linear-quads', activationSource, quadsSource);
const ACTIVATIONS = ['none', 'gelu', 'gelu-tanh', 'tanh', 'relu'];

export const linear: Kernel<LinearProblem> = {
  steps: ({ rows, inFeatures, outFeatures, bias, activation }) => [
    {
      shader: inFeatures % 4 === 0 && outFeatures % 4 === 0 ? multiplyQuads : multiply,
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
