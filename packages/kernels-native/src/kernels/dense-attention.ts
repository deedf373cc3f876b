// dense-attention: online softmax over chunks of 128 keys; see ../../native/dense-attention.hpp.

import { ceilDivide, type DenseAttentionProblem } from '@flashmla/tensor';
import { type Kernel, piecesBytes, roundUp, suffixOf } from '../plan.ts';
import {
  attentionSteps,
  fitsTiles,
  packedBuffers,
  paddedDim,
  refusesHeadDim,
  rowPieces,
  TILE,
  tilePieces,
} from './attention.ts';

const CHUNK = 128;
/** Tiles of a task. */
const TILES = 4;

export const denseAttention: Kernel<DenseAttentionProblem> = {
  refuses: refusesHeadDim,
  plan(p, traits) {
    const tiled = fitsTiles(p, traits);
    const rows = { keyRows: roundUp(p.keys, TILE), groups: 0, groupRows: 0, tiled };
    const cut = { tileQueries: TILE, blockKeys: 1, slots: 0, residualGroup: 0 };
    const pairs = p.batch * p.heads * p.queries * p.keys;
    const issuedPairs = p.batch * p.heads * roundUp(p.queries, TILE) * rows.keyRows;
    const headTasks = ceilDivide(p.queries, TILES * TILE);
    return {
      steps: attentionSteps(p, cut, rows, { kernel: 'denseAttention', headTasks, suffix: suffixOf(p) }),
      buffers: packedBuffers(p, rows),
      threadBytes: piecesBytes(
        ...Array.from({ length: TILES }, () => tilePieces(p)).flat(),
        4 * CHUNK * TILE,
        ...rowPieces(p, CHUNK, true),
        tiled ? 2 * CHUNK * TILE : 0,
      ),
      usefulMultiplyAdds: pairs * 2 * p.headDim,
      issuedMultiplyAdds: issuedPairs * (p.headDim + paddedDim(p.headDim)),
    };
  },
};
