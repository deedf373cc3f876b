// gate-projection: a thread a token.

import { ceilDivide, type GateProjectionProblem, headsStrides } from '@flashmla/tensor';
import type { Kernel } from '../plan.ts';

/** Registers that a thread may spend on its sums. */
const maxRank = 256;

export const gateProjection: Kernel<GateProjectionProblem> = {
  refuses: ({ rank }) =>
    rank > maxRank ? { reason: `rank ${rank} is above ${maxRank}`, advice: 'use a smaller gate space' } : undefined,

  plan({ batch, heads, tokens, features, rank, layout }) {
    const strides = headsStrides(layout, heads, tokens, features);
    const useful = batch * heads * tokens * features * rank;
    return {
      steps: [
        {
          shader: 'gate-projection',
          constants: { RANK: rank },
          params: [batch, heads, tokens, features, strides.batch, strides.head, strides.token],
          bindings: ['input', 'map', 'output'],
          workgroups: ceilDivide(batch * heads * tokens, 64),
        },
      ],
      buffers: {},
      usefulMultiplyAdds: useful,
      issuedMultiplyAdds: useful,
    };
  },
};
