// @flashmla/workloads: what benchmarks run, in Node and in browsers. Timing is theirs.

export { attentionWorkloads } from './attention-workload.ts';
export { largestDifference, relativeError } from './difference.ts';
export { EncoderWorkloads, randomLayer } from './encoder-workload.ts';
export { bertBase, type Geometry } from './geometry.ts';
export {
  attentionModel,
  encoderModel,
  type LayerWeights,
  type LinearWeights,
  type NormWeights,
} from './onnx/onnx-model.ts';
export type { OwnName, OwnRun, PeerGraph, PeerInput, Workload, WorkloadOf } from './workload.ts';
