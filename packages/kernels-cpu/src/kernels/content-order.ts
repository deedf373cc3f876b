// content-order; see ../../assembly/content-order.ts.

import type { ContentOrderProblem } from '@flashmla/tensor';
import type { Kernel } from '../plan.ts';
import { refusesRank } from './refuses-rank.ts';

export const contentOrder: Kernel<ContentOrderProblem> = {
  refuses: refusesRank,
  plan: ({ batch, heads, tokens, rank, leaf }) => ({
    steps: [
      {
        kernel: 'contentOrder',
        tasks: batch * heads,
        arguments: ['points', 'mask', 'order', heads, tokens, rank, leaf],
      },
    ],
    buffers: {},
    threadBytes: 8 * tokens + 16 + 512 + 8 * rank,
    usefulMultiplyAdds: 0,
    issuedMultiplyAdds: 0,
  }),
};
