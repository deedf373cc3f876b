// The weights of an encoder layer that is made up.

import { randomSource, randomUniform } from '@flashmla/tensor';
import type { Geometry } from './geometry.ts';
import type { LayerWeights, LinearWeights, NormWeights } from './onnx/weights.ts';

/** Weights that keep hidden states, queries and keys at a variance of about 1. */
export function randomLayer(
  { modelDim, intermediateDim }: Pick<Geometry, 'modelDim' | 'intermediateDim'>,
  seed: number,
): LayerWeights {
  const dense = (outFeatures: number, inFeatures: number, own: number): LinearWeights => ({
    weight: uniform(outFeatures * inFeatures, seed + own, 1 / Math.sqrt(inFeatures)),
    bias: uniform(outFeatures, seed + own + 50, 0.1),
  });
  const norm = (own: number): NormWeights => ({
    weight: uniform(modelDim, seed + own, 0.1).map((x) => 1 + x),
    bias: uniform(modelDim, seed + own + 50, 0.1),
  });
  return {
    query: dense(modelDim, modelDim, 1),
    key: dense(modelDim, modelDim, 2),
    value: dense(modelDim, modelDim, 3),
    output: dense(modelDim, modelDim, 4),
    attentionNorm: norm(5),
    intermediate: dense(intermediateDim, modelDim, 6),
    contract: dense(modelDim, intermediateDim, 7),
    outputNorm: norm(8),
  };
}

/** Uniform numbers of mean 0. */
function uniform(length: number, seed: number, deviation: number): Float32Array {
  return randomUniform(length, randomSource(seed), Math.sqrt(3) * deviation);
}
