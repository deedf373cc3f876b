// @flashmla/workloads: what benchmarks run, in Node and in browsers, and what charts of it are drawn with. Timing is theirs.

export { attentionWorkloads } from './attention-workload.ts';
export { largestDifference, relativeError } from './difference.ts';
export {
  type Colour,
  evenTicksBetween,
  fixed,
  gridLine,
  linearScale,
  lineHeight,
  logScale,
  page,
  type Scale,
  textAt,
  ticksBetween,
} from './drawing.ts';
export { EncoderStack } from './encoder-stack.ts';
export { type EncoderWorkloadOptions, EncoderWorkloads } from './encoder-workload.ts';
export { bertBase, type Geometry } from './geometry.ts';
export { ModelWorkloads } from './model-workload.ts';
export type { Precision } from './onnx/model-graph.ts';
export { attentionModel, encoderModel, textModel } from './onnx/onnx-model.ts';
export type { LayerWeights, LinearWeights, NormWeights, TextModelWeights } from './onnx/weights.ts';
export { randomBert } from './random-bert.ts';
export { randomLayer } from './random-layer.ts';
export {
  type Machine,
  type Outcome,
  type PeerName,
  parseResults,
  type ResultRow,
  type ResultsFile,
  resultsFormat,
} from './results.ts';
export type { OwnName, OwnRun, PeerGraph, PeerInput, PeerOutputs, Workload, WorkloadOf } from './workload.ts';
