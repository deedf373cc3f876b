// dense-attention: a block a tile of queries; the keys are split where that would leave multiprocessors idle.

import { ceilDivide, type DenseAttentionProblem } from '@flashmla/tensor';
import { type Kernel, launch, suffixOf } from '../plan.ts';
import { attentionWords, halfChunk, headWidth, refusesHeads, simtTile, tensorCoreTile } from './attention.ts';

/** Keys that a part has at least: less would be joined for longer than it is computed. */
const leastKeysOfPart = 256;

export const denseAttention: Kernel<DenseAttentionProblem> = {
  refuses: refusesHeads,

  plan(problem, { multiprocessors }) {
    const { batch, heads, queries, keys, headDim } = problem;
    const width = headWidth(problem);
    const suffix = suffixOf(problem);
    const half = suffix !== 'f32';
    const tile = half ? tensorCoreTile(problem, 4, halfChunk[width]) : simtTile(problem, 64);
    const tiles = batch * heads * ceilDivide(queries, tile.rows);
    const parts = Math.max(1, Math.min(Math.floor(multiprocessors / tiles), Math.floor(keys / leastKeysOfPart)));
    const words = attentionWords(problem);
    const [step] = launch(`dense_attention_${suffix}_${width}`, tiles, 128, {
      bindings: ['query', 'key', 'value', 'keyMask', 'output', 'lse', 'partial'],
      words,
      sharedBytes: tile.sharedBytes,
    });
    const merge = launch(`merge_splits_${suffix}`, parts > 1 ? ceilDivide(batch * heads * queries, 4) : 0, 128, {
      bindings: ['partial', 'output', 'lse'],
      words: [batch * heads, parts, ...words],
    });
    return {
      steps: step ? [{ ...step, grid: [tiles, parts, 1] }, ...merge] : [],
      buffers: { ...(parts > 1 && { partial: 4 * batch * heads * queries * parts * (headDim + 4) }) },
      usefulMultiplyAdds: 2 * batch * heads * queries * keys * headDim,
      issuedMultiplyAdds: tiles * tile.rows * ceilDivide(keys, tile.keys) * tile.keys * tile.multiplyAdds,
    };
  },
};
