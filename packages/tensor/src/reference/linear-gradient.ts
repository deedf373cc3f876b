// Reference of ops/linear-gradient.ts: what flows back through activation(input · weightᵀ + bias).

import type { LinearGradientProblem } from '../ops/linear-gradient.ts';
import { activations } from './activations.ts';
import type { Reference } from './arrays.ts';

export const linearGradient: Reference<LinearGradientProblem> = (p, { input, weight, bias, outputGradient }) => {
  const inputGradient = new Float64Array(p.rows * p.inFeatures);
  const weightGradient = new Float64Array(p.outFeatures * p.inFeatures);
  const biasGradient = new Float64Array(p.outFeatures);
  const { derivative } = activations[p.activation];
  for (let row = 0; row < p.rows; row++) {
    const x = input.subarray(row * p.inFeatures, (row + 1) * p.inFeatures);
    for (let out = 0; out < p.outFeatures; out++) {
      const start = out * p.inFeatures;
      let z = bias ? bias[out] : 0;
      for (let i = 0; i < p.inFeatures; i++) z += x[i] * weight[start + i];
      const dz = outputGradient[row * p.outFeatures + out] * derivative(z);
      biasGradient[out] += dz;
      for (let i = 0; i < p.inFeatures; i++) {
        inputGradient[row * p.inFeatures + i] += dz * weight[start + i];
        weightGradient[start + i] += dz * x[i];
      }
    }
  }
  return { inputGradient, weightGradient, ...(p.bias && { biasGradient }) };
};
