// @flashmla/attention: dense and gated sparse attention, as functions over query, key and value, and as modules that
// stand where a model's attention stands.

export type { AttentionInputs } from './attention-inputs.ts';
export { DenseAttention } from './dense-module.ts';
export { FlashMLAAttention, type FlashMLAAttentionOptions } from './flashmla-attention.ts';
export type { FlashMlaConventions } from './flashmla-conventions.ts';
export { type AttentionResult, denseAttention, sparseAttention } from './functions.ts';
export type {
  AttachTarget,
  AttentionModule,
  AttentionProjections,
  ForwardOptions,
  Projection,
} from './module.ts';
export type { AttentionModuleOptions } from './projected-attention.ts';
export { selectionInputs, sparseProblem } from './selection-inputs.ts';
export type { AttentionKind, AttentionStatistics, CallStatistics } from './statistics.ts';
