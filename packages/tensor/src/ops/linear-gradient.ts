// linear-gradient: the gradients of a linear layer (linear.ts) in its inputs, given that in its output.
//
// With z = input · weightᵀ + bias and dz = outputGradient ∘ activation′(z):
//   inputGradient = dz · weight, weightGradient = dzᵀ · input, biasGradient = Σ_rows dz.
// z is computed again: a forward pass keeps no more of a layer than what goes into it. relu′(0) = 0.

import type { Activation } from './linear.ts';
import { checkDimensions, float32, type Op } from './op.ts';

export interface LinearGradientProblem {
  readonly op: 'linear-gradient';
  readonly rows: number;
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly bias: boolean;
  readonly activation: Activation;
}

export const linearGradient: Op<LinearGradientProblem> = {
  validate: (p) => checkDimensions(p, 1, 'rows', 'inFeatures', 'outFeatures'),
  inputs: (p) => ({
    input: float32(p.rows, p.inFeatures),
    weight: float32(p.outFeatures, p.inFeatures),
    // Without an activation no z is needed.
    ...(p.bias && p.activation !== 'none' && { bias: float32(p.outFeatures) }),
    outputGradient: float32(p.rows, p.outFeatures),
  }),
  outputs: (p) => ({
    inputGradient: float32(p.rows, p.inFeatures),
    weightGradient: float32(p.outFeatures, p.inFeatures),
    ...(p.bias && { biasGradient: float32(p.outFeatures) }),
  }),
  flops: (p) => (p.activation === 'none' ? 4 : 6) * p.rows * p.inFeatures * p.outFeatures,
};
