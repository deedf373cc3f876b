// What stands where a model's attention stands: the interface every attention module has, and how a model hands its
// layer's projections to one.

import type { Backend, Tensor } from '@flashmla/tensor';

export interface ForwardOptions {
  /** uint8 or bool [batch, tokens]: 1 = present, 0 = padding; default: all are present. */
  keyMask?: Tensor;
  /**
   * [batch, dim]: x of the one token of each text whose output is needed, of x's dtype. A module may leave all others out;
   * one that knows nothing of it computes all.
   */
  query?: Tensor;
  /**
   * Tokens of each text, where x is [1, Σ tokens, dim]: the texts one after the other, none of them padded, and each attends
   * to itself. Only for modules that say `packs`.
   */
  texts?: readonly number[];
  /** Work that has not begun when it aborts is skipped, and the call rejects with its reason. */
  signal?: AbortSignal;
}

/**
 * Projections, attention and output projection of one layer. The residual and its LayerNorm are the layer's.
 */
export interface AttentionModule {
  readonly dim: number;
  readonly heads: number;
  /** Whether `forward` takes `texts` now; left out: it does not. */
  readonly packs?: boolean;
  /**
   * @param x [batch, tokens, dim] in the dtype of the weights; a host tensor is uploaded for the call
   * @returns [batch, tokens, dim] in that dtype, or [batch, dim] of the tokens in `query`; the caller disposes it
   */
  forward(x: Tensor, options?: ForwardOptions): Promise<Tensor>;
  dispose(): void;
}

/** y = x · weightᵀ + bias, as Hugging Face and PyTorch store it. */
export interface Projection {
  /** float32, float16 or bfloat16 [outFeatures, inFeatures]; all parts of a layer alike. */
  weight: Tensor;
  /** [outFeatures]. */
  bias?: Tensor;
}

export interface AttentionProjections {
  query: Projection;
  key: Projection;
  value: Projection;
  output: Projection;
}

/** What a model gives a module that takes over one of its layers. All of it stays the model's. */
export interface AttachTarget {
  backend: Backend;
  /** Host weights are uploaded, and given back on detach. */
  projections: AttentionProjections;
  /** The layer's number of heads: checked against the module's, since no shape of a projection tells it. */
  heads?: number;
}
