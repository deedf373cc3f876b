// block-pool; see ../../native/block-pool.hpp.

import { type BlockPoolProblem, ceilDivide, headsStrides } from '@flashmla/tensor';
import { type Kernel, suffixOf } from '../plan.ts';

export const blockPool: Kernel<BlockPoolProblem> = {
  plan(problem) {
    const { batch, heads, tokens, features, block, statistics, layout } = problem;
    const stride = headsStrides(layout, heads, tokens, features);
    const blocks = ceilDivide(tokens, block);
    return {
      steps: [
        {
          kernel: `blockPool_${suffixOf(problem)}`,
          tasks: batch * heads * blocks,
          arguments: [
            ...['input', 'mask', 'pooled', 'present'],
            ...[heads, tokens, features, block, blocks, statistics === 'mean' ? 0 : 1],
            ...[stride.batch, stride.head, stride.token],
          ],
        },
      ],
      buffers: {},
      threadBytes: 0,
      usefulMultiplyAdds: 0,
      issuedMultiplyAdds: 0,
    };
  },
};
