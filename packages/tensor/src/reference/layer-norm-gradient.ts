// Reference of ops/layer-norm-gradient.ts: what flows back through a layer norm.

import type { LayerNormGradientProblem } from '../ops/layer-norm-gradient.ts';
import type { Reference } from './arrays.ts';

export const layerNormGradient: Reference<LayerNormGradientProblem> = (p, inputs) => {
  const { input, residual, weight, outputGradient } = inputs;
  const inputGradient = new Float64Array(p.rows * p.modelDim);
  const weightGradient = new Float64Array(p.modelDim);
  const biasGradient = new Float64Array(p.modelDim);
  const meanOfAll = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0) / p.modelDim;
  for (let row = 0; row < p.rows; row++) {
    const start = row * p.modelDim;
    const dy = outputGradient.subarray(start, start + p.modelDim);
    const y = Float64Array.from(dy, (_, i) => input[start + i] + (p.residual ? residual[start + i] : 0));
    const mean = meanOfAll(y);
    const deviation = Math.sqrt(meanOfAll(y.map((value) => (value - mean) ** 2)) + p.epsilon);
    const normal = y.map((value) => (value - mean) / deviation);
    const g = normal.map((_, i) => dy[i] * weight[i]);
    const meanG = meanOfAll(g);
    const meanGNormal = meanOfAll(g.map((value, i) => value * normal[i]));
    for (let i = 0; i < p.modelDim; i++) {
      inputGradient[start + i] = (g[i] - meanG - normal[i] * meanGNormal) / deviation;
      weightGradient[i] += dy[i] * normal[i];
      biasGradient[i] += dy[i];
    }
  }
  return { inputGradient, weightGradient, biasGradient };
};
