// dense-attention: output = softmax(scale · query · keyᵀ) · value over the keys that are present, lse = log Σ exp.
// Vaswani et al. 2017, arXiv 1706.03762. No backend keeps the queries × keys scores (Dao et al., arXiv 2205.14135).
// A query without any key gives output 0 and lse −∞. lse is float32 in any precision: it is compared and subtracted.

import type { FloatDType } from '../dtype.ts';
import { headsSpec, type Layout } from './layout.ts';
import { checkDimensions, float32, type Op, uint8 } from './op.ts';

export interface AttentionDimensions {
  readonly batch: number;
  readonly heads: number;
  readonly queries: number;
  readonly keys: number;
  readonly headDim: number;
  /** Of query, key, value and output. */
  readonly layout: Layout;
  /** Logits are scale · q·k. */
  readonly scale: number;
  /** Whether an input `keyMask` [batch, keys] says which keys are present (1) or padding (0). */
  readonly mask: boolean;
  /** Key j is visible to query i when j ≤ i + (keys − queries). */
  readonly causal: boolean;
  /** Of query, key, value and output; absent = float32. */
  readonly dtype?: FloatDType;
}

export interface DenseAttentionProblem extends AttentionDimensions {
  readonly op: 'dense-attention';
}

export function attentionInputs(p: AttentionDimensions) {
  return {
    query: headsSpec(p, p.queries, p.headDim),
    key: headsSpec(p, p.keys, p.headDim),
    value: headsSpec(p, p.keys, p.headDim),
    ...(p.mask && { keyMask: uint8(p.batch, p.keys) }),
  };
}

export function attentionOutputs(p: AttentionDimensions) {
  return {
    output: headsSpec(p, p.queries, p.headDim),
    lse: float32(p.batch, p.heads, p.queries),
  };
}

export const denseAttention: Op<DenseAttentionProblem> = {
  validate(p) {
    checkDimensions(p, 0, 'batch', 'queries', 'keys');
    checkDimensions(p, 1, 'heads', 'headDim');
  },
  inputs: attentionInputs,
  outputs: attentionOutputs,
  flops: (p) => 4 * p.batch * p.heads * p.queries * p.keys * p.headDim,
};
