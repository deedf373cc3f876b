// layer-norm: y = x + residual; output = (y − mean(y)) / √(var(y) + epsilon) · weight + bias, per row.
// Ba, Kiros, Hinton 2016, arXiv 1607.06450; var is the biased variance.

import type { FloatDType } from '../dtype.ts';
import { checkDimensions, float, type Op } from './op.ts';

export interface LayerNormProblem {
  readonly op: 'layer-norm';
  readonly rows: number;
  readonly modelDim: number;
  readonly epsilon: number;
  readonly residual: boolean;
  /** Of all its tensors; absent = float32. */
  readonly dtype?: FloatDType;
}

export const layerNorm: Op<LayerNormProblem> = {
  validate(p) {
    checkDimensions(p, 0, 'rows');
    checkDimensions(p, 1, 'modelDim');
  },
  inputs: (p) => ({
    input: float(p.dtype, p.rows, p.modelDim),
    ...(p.residual && { residual: float(p.dtype, p.rows, p.modelDim) }),
    weight: float(p.dtype, p.modelDim),
    bias: float(p.dtype, p.modelDim),
  }),
  outputs: (p) => ({ output: float(p.dtype, p.rows, p.modelDim) }),
  flops: (p) => 8 * p.rows * p.modelDim,
};
