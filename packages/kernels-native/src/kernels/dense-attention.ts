// dense-attention: online softmax over chunks of 64 keys; see ../../native/dense-attention.hpp.

import { ceilDivide, type DenseAttentionProblem } from '@flashmla/tensor';
import { type Kernel, piecesBytes, roundUp, suffixOf } from '../plan.ts';
import { attentionSteps, packedBuffers, paddedDim, productsOf, refusesHeadDim, TILE, tilePieces } from './attention.ts';

/** Keys that are attended to at a time. */
const CHUNK = 64;
/** Tiles of a task, at most, and tasks that a thread should get. */
const MOST_TILES = 4;
const TASKS_PER_THREAD = 4;

export const denseAttention: Kernel<DenseAttentionProblem> = {
  refuses: refusesHeadDim,
  plan(p, traits) {
    const products = productsOf(p, traits);
    const rows = { keyRows: roundUp(p.keys, TILE), groups: 0, groupRows: 0, values: true, products };
    const tiles = ceilDivide(p.queries, TILE) * p.batch * p.heads;
    const tileCount = Math.floor(tiles / (TASKS_PER_THREAD * traits.threads));
    const tileQueries = TILE * Math.max(1, Math.min(MOST_TILES, tileCount));
    const cut = { tileQueries, blockKeys: 1, slots: 0, residualGroup: 0 };
    const pairs = p.batch * p.heads * p.queries * p.keys;
    const issuedPairs = p.batch * p.heads * roundUp(p.queries, TILE) * rows.keyRows;
    const headTasks = ceilDivide(p.queries, tileQueries);
    return {
      steps: attentionSteps(p, cut, rows, { kernel: 'denseAttention', headTasks, suffix: suffixOf(p) }),
      buffers: packedBuffers(p, rows),
      threadBytes: piecesBytes(
        ...Array.from({ length: MOST_TILES }, () => tilePieces(p)).flat(),
        ...[4 * CHUNK * TILE, products === 'wide' ? 0 : 2 * CHUNK * TILE],
      ),
      usefulMultiplyAdds: pairs * 2 * p.headDim,
      issuedMultiplyAdds: issuedPairs * (p.headDim + paddedDim(p.headDim)),
    };
  },
};
