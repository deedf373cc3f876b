// @flashmla/tensor: what every other package stands on.

export * from './backend.ts';
export { breather } from './breather.ts';
export { castTo, readFloat32 } from './cast.ts';
export {
  arrayOf,
  byteSize,
  type DType,
  dtypeOf,
  type FloatDType,
  floatDTypes,
  floatsOf,
  isFloatDType,
  type Precision,
  precisions,
  type Quantization,
  type TypedArray,
} from './dtype.ts';
export * from './errors.ts';
export { checkBindings, checkOwned, execute, refusesDType, refusesOp, whoComputesIn } from './execute.ts';
export { asUint8, checkFloats, checkMask, checkTensor, describeValue } from './expect.ts';
export {
  bfloat16ToFloat32,
  bfloat16ToNumber,
  float16ToFloat32,
  float16ToNumber,
  float32ToBfloat16,
  float32ToFloat16,
  fromFloat32,
  numberToBfloat16,
  numberToFloat16,
  roundingTo,
  toFloat32,
} from './half.ts';
export type { ActivationProblem } from './ops/activation.ts';
export type { ActivationGradientProblem } from './ops/activation-gradient.ts';
export type { AdamWProblem } from './ops/adam-w.ts';
export type { AddProblem } from './ops/add.ts';
export type { BlockPoolProblem } from './ops/block-pool.ts';
export type { CastProblem } from './ops/cast.ts';
export type { ContentOrderProblem } from './ops/content-order.ts';
export type { CrossEntropyProblem } from './ops/cross-entropy.ts';
export type { AttentionDimensions, DenseAttentionProblem } from './ops/dense-attention.ts';
export type { AttentionGradientDimensions, DenseAttentionGradientProblem } from './ops/dense-attention-gradient.ts';
export { type DropoutProblem, dropoutThreshold } from './ops/dropout.ts';
export type { EmbeddingProblem } from './ops/embedding.ts';
export type { EmbeddingGradientProblem } from './ops/embedding-gradient.ts';
export type { GateProjectionProblem } from './ops/gate-projection.ts';
export {
  costOf,
  floatDTypeOf,
  type InferenceOpName,
  inPlaceInputs,
  inputSpecs,
  type OpName,
  opNames,
  outputSpecs,
  type Problem,
  type ProblemOf,
  precisionOf,
  problemKey,
  shapeClass,
  type TrainingOpName,
  type TrainingProblem,
  trainingOpNames,
  validateProblem,
} from './ops/index.ts';
export type { LayerNormProblem } from './ops/layer-norm.ts';
export type { LayerNormGradientProblem } from './ops/layer-norm-gradient.ts';
export { headsStrides, type Layout } from './ops/layout.ts';
export type { Activation, LinearProblem, Nonlinearity } from './ops/linear.ts';
export type { LinearGradientProblem } from './ops/linear-gradient.ts';
export { type Cost, ceilDivide, type TensorSpec, type TensorSpecs } from './ops/op.ts';
export type { SelectSlotsProblem } from './ops/select-slots.ts';
export type { SelectTopKProblem } from './ops/select-top-k.ts';
export type { SparseAttentionProblem } from './ops/sparse-attention.ts';
export type { SparseAttentionGradientProblem } from './ops/sparse-attention-gradient.ts';
export type { SumOfSquaresProblem } from './ops/sum-of-squares.ts';
export * from './profile.ts';
export { randomNormal, randomSource, randomUniform, shuffled } from './random.ts';
export { mostPrograms, Recent } from './recent.ts';
export { lostWithDevice, RestorableTensors, recoverFor, SharedRecovery } from './recovery.ts';
export { type NumberArray, type Rounding, reference } from './reference/index.ts';
export { slotsOf, type TileScores, tileScores } from './reference/select-top-k.ts';
export { type RowView, rowView } from './row-view.ts';
export { decodeSafetensors, safetensorsMetadata } from './safetensors/decode.ts';
export { encodeSafetensors } from './safetensors/encode.ts';
export type { TensorInfo } from './safetensors/header.ts';
export { type ByteSource, openSafetensors, type SafetensorsReader, type TensorReader } from './safetensors/reader.ts';
export { openShardedSafetensors, type ShardedReader } from './safetensors/sharded.ts';
export { checkSelection, type Selection, type SelectionInit, selection, selectionOf } from './selection.ts';
export { sha256 } from './sha256.ts';
export { checkShape, elementCount, formatShape } from './shape.ts';
export { type ByteRange, Storage } from './storage.ts';
export { DeviceTensor, HostTensor, type Tensor, tensor } from './tensor.ts';
export { oneVariant, PreferredVariants } from './variants.ts';
