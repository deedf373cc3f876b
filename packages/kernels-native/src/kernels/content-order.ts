// content-order; see ../../native/content-order.hpp.

import type { ContentOrderProblem } from '@flashmla/tensor';
import { type Kernel, piecesBytes } from '../plan.ts';

export const contentOrder: Kernel<ContentOrderProblem> = {
  plan: ({ batch, heads, tokens, rank, leaf }) => ({
    steps: [
      {
        kernel: 'contentOrder',
        tasks: batch * heads,
        arguments: ['points', 'mask', 'order', heads, tokens, rank, leaf],
      },
    ],
    buffers: {},
    threadBytes: piecesBytes(4 * (tokens + 16), 4 * (tokens + 16)),
    usefulMultiplyAdds: 0,
    issuedMultiplyAdds: 0,
  }),
};
