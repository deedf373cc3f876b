// linear: output = activation(input · weightᵀ + bias)

import type { FloatDType } from '../dtype.ts';
import { checkDimensions, float, type Op } from './op.ts';

/**
 * 'gelu' is the exact x·Φ(x) (Hendrycks & Gimpel 2016, arXiv 1606.08415); 'gelu-tanh' its tanh approximation, which
 * Hugging Face calls gelu_new or gelu_pytorch_tanh.
 */
export type Activation = 'none' | 'gelu' | 'gelu-tanh' | 'tanh' | 'relu';

export interface LinearProblem {
  readonly op: 'linear';
  readonly rows: number;
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly bias: boolean;
  readonly activation: Activation;
  /** Of all its tensors; absent = float32. */
  readonly dtype?: FloatDType;
}

export const linear: Op<LinearProblem> = {
  validate(p) {
    checkDimensions(p, 0, 'rows');
    checkDimensions(p, 1, 'inFeatures', 'outFeatures');
  },
  inputs: (p) => ({
    input: float(p.dtype, p.rows, p.inFeatures),
    weight: float(p.dtype, p.outFeatures, p.inFeatures),
    ...(p.bias && { bias: float(p.dtype, p.outFeatures) }),
  }),
  outputs: (p) => ({ output: float(p.dtype, p.rows, p.outFeatures) }),
  flops: (p) => 2 * p.rows * p.inFeatures * p.outFeatures,
};
