// dense-attention: a workgroup a tile of queries, over all keys.

import { ceilDivide, type DenseAttentionProblem, headsStrides } from '@flashmla/tensor';
import { float, type Kernel } from '../plan.ts';
import { attentionTile, attentionVariants, refusesHeads } from './attention.ts';

export const denseAttention: Kernel<DenseAttentionProblem> = {
  refuses: refusesHeads,

  variants: ({ headDim }, traits) => attentionVariants(headDim, traits),

  plan(p, _traits, variant) {
    const { batch, heads, queries, keys, headDim, layout, scale, mask, causal } = p;
    const tile = attentionTile(variant, headDim);
    const ofQueries = headsStrides(layout, heads, queries, headDim);
    const ofKeys = headsStrides(layout, heads, keys, headDim);
    const strides = [ofQueries, ofKeys].flatMap((of) => [of.batch / 4, of.head / 4, of.token / 4]);
    const tiles = ceilDivide(queries, tile.ROWS);
    const chunks = ceilDivide(keys, tile.CHUNK);
    return {
      steps: [
        {
          shader: `dense-attention-${variant}`,
          constants: { HEAD_DIM: headDim, ...tile },
          params: [
            ...[batch, heads, queries, keys, ...strides],
            ...[
              float(scale),
              Number(mask),
              Number(causal),
              float(Number.NEGATIVE_INFINITY),
              float(Number.NaN),
              0xffffffff,
            ],
          ],
          bindings: ['query', 'key', 'value', 'keyMask', 'output', 'lse'],
          workgroups: batch * heads * tiles,
        },
      ],
      buffers: {},
      usefulMultiplyAdds: 2 * batch * heads * queries * keys * headDim,
      issuedMultiplyAdds: 2 * batch * heads * tiles * tile.ROWS * chunks * tile.CHUNK * headDim,
    };
  },
};
