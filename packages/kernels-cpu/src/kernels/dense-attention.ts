// dense-attention: online softmax over chunks of 128 keys; see ../../assembly/dense-attention.ts.

import { ceilDivide, type DenseAttentionProblem } from '@flashmla/tensor';
import { type Kernel, roundUp } from '../plan.ts';
import { attentionSteps, issuedQueries, LANES, packedBuffers, paddedHeadDim, refusesHeadDim } from './attention.ts';

const CHUNK = 128;

export const denseAttention: Kernel<DenseAttentionProblem> = {
  refuses: refusesHeadDim,
  plan(p) {
    const rows = { keyRows: roundUp(p.keys, CHUNK), unit: CHUNK, groups: 0, groupRows: 0 };
    const cut = { tileQueries: LANES, blockKeys: 1, slots: 0, residualGroup: 0 };
    const batchHeads = p.batch * p.heads;
    const issued = batchHeads * issuedQueries(p.queries, LANES) * roundUp(p.keys, 4) * 2 * paddedHeadDim(p.headDim);
    return {
      steps: attentionSteps(p, cut, rows, { kernel: 'denseAttention', headTasks: ceilDivide(p.queries, LANES) }),
      buffers: packedBuffers(p, rows),
      threadBytes: 4 * LANES * (p.headDim + CHUNK + paddedHeadDim(p.headDim) + 5),
      usefulMultiplyAdds: batchHeads * p.queries * p.keys * 2 * p.headDim,
      issuedMultiplyAdds: issued,
    };
  },
};
