// block-pool: a thread a feature of a block.

import { type BlockPoolProblem, ceilDivide, headsStrides } from '@flashmla/tensor';
import type { Kernel } from '../plan.ts';

export const blockPool: Kernel<BlockPoolProblem> = {
  plan({ batch, heads, tokens, features, block, statistics, layout, mask }) {
    const strides = headsStrides(layout, heads, tokens, features);
    const blocks = ceilDivide(tokens, block);
    return {
      steps: [
        {
          shader: 'block-pool',
          constants: {},
          params: [
            ...[batch, heads, tokens, features, block, blocks, Number(statistics === 'max-min-mean'), Number(mask)],
            ...[strides.batch, strides.head, strides.token],
          ],
          bindings: ['input', 'mask', 'pooled', 'present'],
          workgroups: ceilDivide(batch * heads * blocks * features, 64),
        },
      ],
      buffers: {},
      usefulMultiplyAdds: 0,
      issuedMultiplyAdds: 0,
    };
  },
};
