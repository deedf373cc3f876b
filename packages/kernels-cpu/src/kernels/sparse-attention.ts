// sparse-attention: a list for each query (sparse-lists), or lists that tiles of queries share (sparse-tiles), whose
// blocks are read in place when their size is a multiple of 4 and gathered otherwise; see ../../assembly.

import { ceilDivide, type SparseAttentionProblem } from '@flashmla/tensor';
import { type Kernel, roundUp } from '../plan.ts';
import { attentionSteps, issuedQueries, LANES, packedBuffers, paddedHeadDim, refusesHeadDim } from './attention.ts';

export const sparseAttention: Kernel<SparseAttentionProblem> = {
  refuses: refusesHeadDim,
  plan(p) {
    const lists = p.tileQueries === 1;
    const inPlace = !lists && p.blockKeys % 4 === 0;
    const groups = p.residualGroup > 0 ? ceilDivide(p.keys, p.residualGroup) : 0;
    const rows = {
      keyRows: inPlace ? roundUp(p.keys, p.blockKeys) : 0,
      unit: inPlace ? p.blockKeys : 4,
      groups,
      groupRows: roundUp(groups, 4),
    };
    const batchHeads = p.batch * p.heads;
    const slots = Math.min(p.slots, ceilDivide(p.keys, p.blockKeys));
    const columns = roundUp(slots * p.blockKeys, 4);
    const wideDim = paddedHeadDim(p.headDim);
    const gathered = lists || inPlace ? 0 : columns * (p.headDim + wideDim);
    const common = LANES * (p.headDim + wideDim + 3) + roundUp(slots, 4) + LANES * rows.groupRows;
    const selectedKeys = Math.min(p.keys, slots * p.blockKeys);
    return {
      steps: attentionSteps(p, p, rows, {
        kernel: lists ? 'sparseLists' : 'sparseTiles',
        headTasks: ceilDivide(p.queries, lists ? LANES : p.tileQueries),
      }),
      buffers: packedBuffers(p, rows),
      threadBytes:
        4 *
        (lists
          ? common + 3 * columns + 3 * rows.groupRows
          : common + columns + 2 * (slots + 1) + 2 * rows.groupRows + LANES * columns + gathered),
      usefulMultiplyAdds: batchHeads * p.queries * (selectedKeys + groups) * 2 * p.headDim,
      issuedMultiplyAdds: lists
        ? batchHeads *
          2 *
          (p.queries * columns * p.headDim + issuedQueries(p.queries, LANES) * rows.groupRows * wideDim)
        : batchHeads * 2 * issuedQueries(p.queries, p.tileQueries) * (columns + rows.groupRows) * wideDim,
    };
  },
};
