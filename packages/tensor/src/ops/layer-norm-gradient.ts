// layer-norm-gradient: the gradients of a layer norm (layer-norm.ts) in its inputs, given that in its output.
//
// With y = input + residual, σ = √(var(y) + epsilon), x̂ = (y − mean(y)) / σ and g = outputGradient ∘ weight, per row:
//   inputGradient = (g − mean(g) − x̂ · mean(g ∘ x̂)) / σ, which is the gradient in the residual as well;
//   weightGradient = Σ_rows outputGradient ∘ x̂, biasGradient = Σ_rows outputGradient.
// mean and σ are computed again.

import { checkDimensions, float32, type Op } from './op.ts';

export interface LayerNormGradientProblem {
  readonly op: 'layer-norm-gradient';
  readonly rows: number;
  readonly modelDim: number;
  readonly epsilon: number;
  readonly residual: boolean;
}

export const layerNormGradient: Op<LayerNormGradientProblem> = {
  validate: (p) => checkDimensions(p, 1, 'rows', 'modelDim'),
  inputs: (p) => ({
    input: float32(p.rows, p.modelDim),
    ...(p.residual && { residual: float32(p.rows, p.modelDim) }),
    weight: float32(p.modelDim),
    outputGradient: float32(p.rows, p.modelDim),
  }),
  outputs: (p) => ({
    inputGradient: float32(p.rows, p.modelDim),
    weightGradient: float32(p.modelDim),
    biasGradient: float32(p.modelDim),
  }),
  inPlace: { inputGradient: ['input'] },
  flops: (p) => 17 * p.rows * p.modelDim,
};
