// sparse-attention-gradient: the gradients of sparse attention (sparse-attention.ts) in query, key and value, given that in
// its output. The selection is no number that gradients flow to.
//
// For query i of tile t, with D and lse as in dense-attention-gradient.ts:
//   selected key j: pᵢⱼ = exp(scale · qᵢ·kⱼ − lseᵢ), dsᵢⱼ = pᵢⱼ · (outputGradientᵢ · vⱼ − Dᵢ);
//   group g, n of whose keys t did not select, k̄ and v̄ their means: bᵢ = exp(scale · qᵢ·k̄ − lseᵢ), the weight of each of
//   those keys, and aᵢ = bᵢ · (outputGradientᵢ · v̄ − Dᵢ); both 0 where n = 0.
// A mean gives each of its n keys the n-th part of what flows to it, so a key that t selected takes part with ds and p, one
// that it did not with its group's a and b:
//   queryGradientᵢ = scale · (Σ_selected dsᵢⱼ·kⱼ + Σ_others aᵢ·kⱼ), keyGradientⱼ = scale · Σᵢ (dsᵢⱼ or aᵢ) · qᵢ,
//   valueGradientⱼ = Σᵢ (pᵢⱼ or bᵢ) · outputGradientᵢ.
// The sums over others are those over whole groups minus the selected keys (docs/decisions/0026-gradients.md).

import {
  type AttentionGradientDimensions,
  attentionGradientInPlace,
  attentionGradientInputs,
  attentionGradientOutputs,
  inFloat32,
} from './dense-attention-gradient.ts';
import { checkDimensions, type Op } from './op.ts';
import { type SparseAttentionProblem, sparseAttention } from './sparse-attention.ts';

export interface SparseAttentionGradientProblem
  extends AttentionGradientDimensions,
    Omit<SparseAttentionProblem, 'op' | 'dtype'> {
  readonly op: 'sparse-attention-gradient';
}

/** The problem whose gradient this is. */
export const sparseForward = (p: SparseAttentionGradientProblem): SparseAttentionProblem => ({
  ...inFloat32(p),
  op: 'sparse-attention',
});

export const sparseAttentionGradient: Op<SparseAttentionGradientProblem> = {
  validate(p) {
    checkDimensions(p, 1, 'batch', 'queries', 'keys');
    sparseAttention.validate(sparseForward(p));
  },
  inputs: (p) => ({ ...attentionGradientInputs(p), ...sparseAttention.inputs(sparseForward(p)) }),
  outputs: attentionGradientOutputs,
  inPlace: attentionGradientInPlace,
  flops: (p) => 2.5 * sparseAttention.flops(sparseForward(p)),
};
