// dense-attention-gradient: the gradients of dense attention (dense-attention.ts) in query, key and value, given that in
// its output.
//
// With pᵢⱼ = exp(scale · qᵢ·kⱼ − lseᵢ), Dᵢ = outputGradientᵢ · outputᵢ and dsᵢⱼ = pᵢⱼ · (outputGradientᵢ · vⱼ − Dᵢ):
//   queryGradientᵢ = scale · Σⱼ dsᵢⱼ·kⱼ, keyGradientⱼ = scale · Σᵢ dsᵢⱼ·qᵢ, valueGradientⱼ = Σᵢ pᵢⱼ · outputGradientᵢ.
// p is computed again from lse and never kept (Dao et al., arXiv 2205.14135). A key that nothing sees, and a query that sees
// nothing, have gradient 0. No gradient flows in through lse.

import { type AttentionDimensions, attentionInputs, attentionOutputs } from './dense-attention.ts';
import { checkDimensions, type Op } from './op.ts';

/** Gradients are float32. */
export type AttentionGradientDimensions = Omit<AttentionDimensions, 'dtype'>;

export interface DenseAttentionGradientProblem extends AttentionGradientDimensions {
  readonly op: 'dense-attention-gradient';
}

/** The forward problem's dimensions, whatever precision they name. */
export const inFloat32 = <P extends AttentionGradientDimensions>(p: P) => ({ ...p, dtype: 'float32' as const });

export function attentionGradientInputs(p: AttentionGradientDimensions) {
  const { output, lse } = attentionOutputs(inFloat32(p));
  return { ...attentionInputs(inFloat32(p)), output, lse, outputGradient: output };
}

export function attentionGradientOutputs(p: AttentionGradientDimensions) {
  const { query, key, value } = attentionInputs(inFloat32(p));
  return { queryGradient: query, keyGradient: key, valueGradient: value };
}

/** Query i alone needs outputᵢ, and key j alone kⱼ and vⱼ once all queries have seen them. */
export const attentionGradientInPlace = {
  queryGradient: ['output'],
  keyGradient: ['key'],
  valueGradient: ['value'],
};

export const denseAttentionGradient: Op<DenseAttentionGradientProblem> = {
  validate: (p) => checkDimensions(p, 1, 'batch', 'heads', 'queries', 'keys', 'headDim'),
  inputs: attentionGradientInputs,
  outputs: attentionGradientOutputs,
  inPlace: attentionGradientInPlace,
  flops: (p) => 10 * p.batch * p.heads * p.queries * p.keys * p.headDim,
};
