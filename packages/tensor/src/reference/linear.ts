// Reference of ops/linear.ts: output = activation(input · weightᵀ + bias).

import type { LinearProblem } from '../ops/linear.ts';
import { activations } from './activations.ts';
import type { Reference } from './arrays.ts';

export const linear: Reference<LinearProblem> = (p, { input, weight, bias }, stored) => {
  const output = new Float64Array(p.rows * p.outFeatures);
  const activate = activations[p.activation].value;
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
