// dense-attention: a block a tile of queries; the keys are split where that would leave multiprocessors idle.

import { ceilDivide, type DenseAttentionProblem } from '@flashmla/tensor';
import { type Kernel, launch, suffixOf } from '../plan.ts';
import {
  attentionWords,
  halfChunk,
  headWidth,
  keyParts,
  mergeSplits,
  refusesHeads,
  simtTile,
  tensorCoreTile,
} from './attention.ts';

/** Queries of a block, by the width of a head: those that there are kernels for, the default first. */
const floatRows = { 64: [64, 32], 128: [32, 16], 256: [16] } as const;
const halfRows = { 64: [64, 128], 128: [64, 128], 256: [64, 32] } as const;

export const denseAttention: Kernel<DenseAttentionProblem> = {
  refuses: refusesHeads,

  variants(problem) {
    const rows = suffixOf(problem) === 'f32' ? floatRows : halfRows;
    return rows[headWidth(problem)].map((queries) => `${queries}-queries`);
  },

  plan(problem, traits, variant) {
    const { batch, heads, queries, keys, headDim } = problem;
    const width = headWidth(problem);
    const suffix = suffixOf(problem);
    const half = suffix !== 'f32';
    const rows = Number.parseInt(variant, 10);
    const tile = half ? tensorCoreTile(problem, rows / 16, halfChunk[width]) : simtTile(problem, rows);
    const tiles = batch * heads * ceilDivide(queries, rows);
    const parts = keyParts(tiles, keys, traits);
    const merge = mergeSplits(problem, parts);
    return {
      steps: [
        ...launch(`dense_attention_${suffix}_${rows}_${width}`, tiles, half ? 2 * rows : 128, {
          bindings: ['query', 'key', 'value', 'keyMask', 'output', 'lse', 'partial'],
          words: attentionWords(problem),
          sharedBytes: tile.sharedBytes,
          parts,
        }),
        ...merge.steps,
      ],
      buffers: merge.buffers,
      usefulMultiplyAdds: 2 * batch * heads * queries * keys * headDim,
      issuedMultiplyAdds: tiles * rows * ceilDivide(keys, tile.keys) * tile.keys * tile.multiplyAdds,
    };
  },
};
