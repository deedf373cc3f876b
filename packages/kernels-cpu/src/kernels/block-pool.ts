// block-pool; see ../../assembly/block-pool.ts.

import { type BlockPoolProblem, ceilDivide, headsStrides } from '@flashmla/tensor';
import type { Kernel } from '../plan.ts';

export const blockPool: Kernel<BlockPoolProblem> = {
  plan({ batch, heads, tokens, features, block, statistics, layout }) {
    const stride = headsStrides(layout, heads, tokens, features);
    const blocks = ceilDivide(tokens, block);
    return {
      steps: [
        {
          kernel: 'blockPool',
          tasks: batch * heads * blocks,
          arguments: [
            'input',
            'mask',
            'pooled',
            'present',
            heads,
            tokens,
            features,
            block,
            blocks,
            statistics === 'mean' ? 0 : 1,
            4 * stride.batch,
            4 * stride.head,
            4 * stride.token,
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
