// Reference of ops/linear.ts: output = activation(input · weightᵀ + bias).

import type { Activation, LinearProblem } from '../ops/linear.ts';
import type { Reference } from './arrays.ts';
import { complementaryErrorFunction } from './error-function.ts';

export const linear: Reference<LinearProblem> = (p, { input, weight, bias }, stored) => {
  const output = new Float64Array(p.rows * p.outFeatures);
  const activate = activations[p.activation];
  for (let row = 0; row < p.rows; row++) {
    for (let out = 0; out < p.outFeatures; out++) {
      let sum = 0;
      for (let i = 0; i < p.inFeatures; i++) sum += input[row * p.inFeatures + i] * weight[out * p.inFeatures + i];
      const product = p.bias ? stored(stored(sum) + bias[out]) : stored(sum);
      output[row * p.outFeatures + out] = stored(activate(product));
    }
  }
  return { output };
};

const activations: Readonly<Record<Activation, (x: number) => number>> = {
  none: (x) => x,
  // x·Φ(x), Φ(x) = erfc(−x/√2) / 2
  gelu: (x) => (x * complementaryErrorFunction(-x / Math.SQRT2)) / 2,
  'gelu-tanh': (x) => (x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))) / 2,
  tanh: Math.tanh,
  relu: (x) => Math.max(x, 0),
};
