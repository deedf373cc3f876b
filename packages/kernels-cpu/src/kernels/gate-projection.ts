// gate-projection; see ../../assembly/gate-projection.ts.

import { ceilDivide, type GateProjectionProblem, headsStrides } from '@flashmla/tensor';
import { type Kernel, roundUp } from '../plan.ts';

const TOKENS = 256;

export const gateProjection: Kernel<GateProjectionProblem> = {
  plan({ batch, heads, tokens, features, rank, layout }) {
    const stride = headsStrides(layout, heads, tokens, features);
    const useful = batch * heads * tokens * features * rank;
    return {
      steps: [
        {
          kernel: 'gateProjection',
          tasks: batch * heads * ceilDivide(tokens, TOKENS),
          arguments: [
            'input',
            'map',
            'output',
            heads,
            tokens,
            features,
            rank,
            4 * stride.batch,
            4 * stride.head,
            4 * stride.token,
          ],
        },
      ],
      buffers: {},
      threadBytes: 4 * (32 + 4 * features + features * roundUp(rank, 8)),
      usefulMultiplyAdds: useful,
      issuedMultiplyAdds: batch * heads * roundUp(tokens, 4) * features * roundUp(rank, 8),
    };
  },
};
