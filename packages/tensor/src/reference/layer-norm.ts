// Reference of ops/layer-norm.ts: y = input + residual; output = (y − mean(y)) / √(var(y) + epsilon) · weight + bias.

import type { LayerNormProblem } from '../ops/layer-norm.ts';
import type { Reference } from './arrays.ts';

export const layerNorm: Reference<LayerNormProblem> = (p, { input, residual, weight, bias }, stored) => {
  const output = new Float64Array(p.rows * p.modelDim);
  for (let row = 0; row < p.rows; row++) {
    const start = row * p.modelDim;
    const y = Float64Array.from(input.subarray(start, start + p.modelDim), (value, i) =>
      p.residual ? stored(value + residual[start + i]) : value,
    );
    const mean = y.reduce((sum, value) => sum + value, 0) / p.modelDim;
    const variance = y.reduce((sum, value) => sum + (value - mean) ** 2, 0) / p.modelDim;
    const deviation = Math.sqrt(variance + p.epsilon);
    output.set(
      y.map((value, i) => stored(stored(stored((value - mean) / deviation) * weight[i]) + bias[i])),
      start,
    );
  }
  return { output };
};
