// block-pool: a thread a feature of a block.

import { type BlockPoolProblem, ceilDivide, headsStrides } from '@flashmla/tensor';
import { type Kernel, launch, suffixOf } from '../plan.ts';

export const blockPool: Kernel<BlockPoolProblem> = {
  plan(problem) {
    const { batch, heads, tokens, features, block, statistics, layout } = problem;
    const strides = headsStrides(layout, heads, tokens, features);
    const threads = batch * heads * ceilDivide(tokens, block) * features;
    return {
      steps: launch(`block_pool_${suffixOf(problem)}`, ceilDivide(threads, 128), 128, {
        bindings: ['input', 'mask', 'pooled', 'present'],
        words: [
          ...[batch * heads, heads, tokens, features, block, Number(statistics === 'max-min-mean')],
          ...[strides.batch, strides.head, strides.token],
        ],
      }),
      buffers: {},
      usefulMultiplyAdds: 0,
      issuedMultiplyAdds: 0,
    };
  },
};
