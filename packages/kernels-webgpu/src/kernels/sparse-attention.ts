// sparse-attention: keys in order, sums of residual groups, clean lists, then a workgroup a tile of queries.

import { byteSize, ceilDivide, headsStrides, type SparseAttentionProblem } from '@flashmla/tensor';
import { float, type Kernel, type Step } from '../plan.ts';
import { attentionTile, refusesHeads } from './attention.ts';

export const sparseAttention: Kernel<SparseAttentionProblem> = {
  refuses: refusesHeads,

  plan(p) {
    const { batch, heads, queries, keys, headDim, layout, tileQueries, blockKeys, slots, residualGroup } = p;
    const batchHeads = batch * heads;
    const tile = attentionTile(headDim, tileQueries);
    const tiles = ceilDivide(queries, tileQueries);
    const parts = ceilDivide(tileQueries, tile.ROWS);
    const blocks = ceilDivide(keys, blockKeys);
    const groups = residualGroup > 0 ? ceilDivide(keys, residualGroup) : 0;
    const width = headDim / 2 + 1;
    const vectors = (tokens: number) => {
      const { batch, head, token } = headsStrides(layout, heads, tokens, headDim);
      return [batch / 4, head / 4, token / 4];
    };

    const steps: Step[] = [
      {
        shader: 'order-keys',
        constants: {},
        params: [batch, heads, keys, headDim / 4, ...vectors(keys), Number(p.mask), Number(p.keyOrder)],
        bindings: ['key', 'value', 'keyMask', 'keyOrder', 'rows'],
        workgroups: ceilDivide(batchHeads * keys * width, 64),
      },
      {
        shader: 'residual-groups',
        constants: {},
        params: [batchHeads, keys, groups, residualGroup, width],
        bindings: ['rows', 'groups'],
        workgroups: ceilDivide(batchHeads * groups * width, 64),
      },
      {
        shader: 'sort-lists',
        constants: {},
        params: [batchHeads * tiles, slots, blocks],
        bindings: ['indices', 'lists'],
        workgroups: batchHeads * tiles,
      },
      {
        shader: 'sparse-attention',
        constants: { HEAD_DIM: headDim, ...tile },
        params: [
          ...[batch, heads, queries, keys, ...vectors(queries), tileQueries, blockKeys, slots, residualGroup, groups],
          ...[
            Number(p.queryOrder),
            Number(p.causal),
            float(p.scale),
            float(Number.NEGATIVE_INFINITY),
            float(Number.NaN),
            0xffffffff,
          ],
        ],
        bindings: ['query', 'rows', 'groups', 'lists', 'queryOrder', 'output', 'lse'],
        workgroups: batchHeads * tiles * parts,
      },
    ];
    const listed = Math.min(slots, blocks) * blockKeys;
    const issuedKeys = (ceilDivide(listed, tile.CHUNK) + ceilDivide(groups, tile.CHUNK)) * tile.CHUNK;
    return {
      steps,
      buffers: {
        rows: 4 * byteSize(p.dtype ?? 'float32') * batchHeads * keys * width,
        groups: 16 * batchHeads * groups * width,
        lists: 4 * batchHeads * tiles * (slots + 1),
      },
      usefulMultiplyAdds: 2 * batchHeads * queries * (Math.min(keys, listed) + groups) * headDim,
      issuedMultiplyAdds: 2 * batchHeads * tiles * parts * tile.ROWS * issuedKeys * headDim,
    };
  },
};
