// @flashmla/model-swap: load a Hugging Face encoder and swap its attention in one line.

export type { Answers, Candidate, MaskedToken, TokenLabel } from './answers.ts';
export {
  type Architecture,
  type EncoderParts,
  type HeadName,
  type HeadParts,
  type LayerParts,
  type LinearParts,
  listNeeds,
  mapNeeds,
  type NormParts,
  type TensorNeed,
} from './architecture.ts';
export { type BatchInputs, batchInputs } from './batch-inputs.ts';
export type { Encoder, ForwardOptions, ForwardResult } from './encoder.ts';
export { architectureOf } from './families/index.ts';
export type { ModelFiles, ModelSource } from './files/model-folder.ts';
export type { JsonObject } from './files/text-file.ts';
export { type FitGatesOptions, type FitReport, fitGates } from './fit.ts';
export { saveAttention, saveGates } from './gates-file.ts';
export { keysShare } from './keys-share.ts';
export { EncoderLayer, type LayerContext, type LayerInput } from './layer.ts';
export {
  attentionOf,
  type GatedAttention,
  type LayerAttention,
  type ModelAttention,
  setAttention,
} from './layer-attention.ts';
export { type LoadOptions, loadModel } from './load.ts';
export { type GateMeasure, type MeasureGatesOptions, measureGates } from './measure-gates.ts';
export { EncoderModel, type RunInput, type RunOptions, type RunResult } from './model.ts';
export { type ModelPlan, type PlanOptions, planModel, problemsOf } from './plan.ts';
export type { Progress, ProgressListener } from './progress.ts';
export { readConfig, readModel, readTensors } from './read-model.ts';
export { readTokenizer, type TokenizerLimits } from './read-tokenizer.ts';
export { sampleTexts } from './sample-texts.ts';
export {
  AttentionSearch,
  denseAttention,
  type FoundAttention,
  type MeasureChoicesOptions,
  type SearchMethod,
  searchMethods,
} from './search/attention-search.ts';
export { nameOf, type SearchedGate, searchedGates } from './search/candidates.ts';
export type { ChosenAttention } from './search/choices.ts';
export { applyAttention, type Contestant, type Latency, measureLatencies } from './search/latency.ts';
export { logitError } from './search/logit-error.ts';
export { restoreAttention, type SwapOptions, type SwappedLayer, type SwapReport, swapAttention } from './swap.ts';
export type { EncodedText, EncodedWords, TextInput, TextTokenizer } from './tokenizer.ts';
export { type Cosines, type LayerDrift, type SwapVerification, type VerifyOptions, verifySwap } from './verify.ts';
export { Workspace } from './workspace.ts';
