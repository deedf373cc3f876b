// linear: output = activation(input · weightᵀ + bias)
//
// With quantization 'int8', input and weight are first brought to int8, each row of both by a scale of its own, symmetric and
// with the largest magnitude at 127: scale = max|x| / 127, q = round(x / scale) with ties to even; a row of zeros stays zeros.
// Products are summed as they are (int32); sum · scale of the input's row · scale of the weight's row is what goes on. The
// weight's rows are quantized once, at upload; the input's as they come (Zafrir et al. 2019, arXiv 1910.06188, by rows).

import type { FloatDType, Quantization } from '../dtype.ts';
import { check, checkDimensions, float, type Op } from './op.ts';

/**
 * 'gelu' is the exact x·Φ(x) (Hendrycks & Gimpel 2016, arXiv 1606.08415); 'gelu-tanh' its tanh approximation, which
 * Hugging Face calls gelu_new or gelu_pytorch_tanh.
 */
export type Nonlinearity = 'gelu' | 'gelu-tanh' | 'tanh' | 'relu';
export type Activation = 'none' | Nonlinearity;

export interface LinearProblem {
  readonly op: 'linear';
  readonly rows: number;
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly bias: boolean;
  readonly activation: Activation;
  /** Of all its tensors; absent = float32. */
  readonly dtype?: FloatDType;
  /** Of input and weight; absent = none. The weight must have been uploaded with the same. */
  readonly quantization?: Quantization;
}

export const linear: Op<LinearProblem> = {
  validate(p) {
    checkDimensions(p, 0, 'rows');
    checkDimensions(p, 1, 'inFeatures', 'outFeatures');
    check(
      p,
      p.quantization === undefined || p.quantization === 'int8',
      `quantization is '${p.quantization}'; expected 'int8', or none.`,
    );
  },
  inputs: (p) => ({
    input: float(p.dtype, p.rows, p.inFeatures),
    weight: {
      ...float(p.dtype, p.outFeatures, p.inFeatures),
      ...(p.quantization && { quantization: p.quantization }),
    },
    ...(p.bias && { bias: float(p.dtype, p.outFeatures) }),
  }),
  outputs: (p) => ({ output: float(p.dtype, p.rows, p.outFeatures) }),
  flops: (p) => 2 * p.rows * p.inFeatures * p.outFeatures,
};
