// The sizes of a loaded model's encoder.

import type { EncoderModel } from '@flashmla/model-swap';
import type { Geometry } from '@flashmla/workloads';

export function geometryOf({ architecture, encoder }: EncoderModel): Geometry {
  const { modelDim, heads, headDim, intermediateDim } = architecture;
  return { modelDim, heads, headDim, intermediateDim, layers: encoder.layer.length };
}
