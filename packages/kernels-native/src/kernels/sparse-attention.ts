// sparse-attention: a list for each query (sparse-lists), or lists that tiles of queries share (sparse-tiles), whose
// blocks are read in place when their size is a multiple of 16 and gathered otherwise; see ../../native.

import { ceilDivide, type SparseAttentionProblem } from '@flashmla/tensor';
import { type Kernel, piecesBytes, roundUp, suffixOf } from '../plan.ts';
import {
  attentionSteps,
  packedBuffers,
  paddedDim,
  productsOf,
  refusesHeadDim,
  rowPieces,
  TILE,
  tilePieces,
} from './attention.ts';

export const sparseAttention: Kernel<SparseAttentionProblem> = {
  refuses: refusesHeadDim,
  plan(p, traits) {
    const lists = p.tileQueries === 1;
    const inPlace = !lists && p.blockKeys % TILE === 0;
    const groups = p.residualGroup > 0 ? ceilDivide(p.keys, p.residualGroup) : 0;
    const groupRows = roundUp(groups, TILE);
    const products = inPlace ? productsOf(p, traits) : 'wide';
    const narrow = products !== 'wide';
    const keyRows = inPlace ? roundUp(p.keys, p.blockKeys) : 0;
    const rows = { keyRows, groups, groupRows, values: narrow, products };
    const blocks = ceilDivide(p.keys, p.blockKeys);
    const slots = Math.min(p.slots, blocks);
    const columns = roundUp(slots * p.blockKeys, TILE);
    const lanesOf = (count: number) => roundUp(count, TILE);
    const { queries, tileQueries } = p;
    const issuedQueries = lists
      ? queries
      : Math.floor(queries / tileQueries) * lanesOf(tileQueries) + lanesOf(queries % tileQueries);
    const width = p.headDim + paddedDim(p.headDim);
    const columnPieces = [4 * (slots + 1), 4 * columns, ...(lists ? [4 * columns] : [])];
    return {
      steps: attentionSteps(p, p, rows, {
        kernel: lists ? 'sparseLists' : 'sparseTiles',
        headTasks: ceilDivide(queries, lists ? TILE : tileQueries),
        suffix: suffixOf(p),
      }),
      buffers: packedBuffers(p, rows),
      threadBytes: piecesBytes(
        ...tilePieces(p),
        ...(lists
          ? [4 * groupRows * TILE, 4 * paddedDim(p.headDim), 4 * columns, 4 * groupRows]
          : [4 * (columns + groupRows) * TILE]),
        ...[...columnPieces, 4 * groupRows, groupRows],
        ...rowPieces(p, columns),
        ...(lists || inPlace ? [] : [4 * columns * p.headDim]),
        ...(narrow ? [2 * (columns + groupRows) * TILE] : []),
        ...(products === 'paired' ? [4 * columns] : []),
      ),
      usefulMultiplyAdds:
        p.batch * p.heads * queries * (Math.min(p.keys, slots * p.blockKeys) + groups) * 2 * p.headDim,
      issuedMultiplyAdds: p.batch * p.heads * (issuedQueries * columns + lanesOf(issuedQueries) * groupRows) * width,
    };
  },
};
