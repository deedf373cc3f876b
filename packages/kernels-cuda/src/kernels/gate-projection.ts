// gate-projection: a thread a feature of gate space.

import { ceilDivide, type GateProjectionProblem, headsStrides } from '@flashmla/tensor';
import { type Kernel, launch, suffixOf } from '../plan.ts';

export const gateProjection: Kernel<GateProjectionProblem> = {
  plan(problem) {
    const { batch, heads, tokens, features, rank, layout } = problem;
    const strides = headsStrides(layout, heads, tokens, features);
    const useful = batch * heads * tokens * features * rank;
    return {
      steps: launch(`gate_projection_${suffixOf(problem)}`, ceilDivide(batch * heads * tokens * rank, 128), 128, {
        bindings: ['input', 'map', 'output'],
        words: [batch * heads, heads, tokens, features, rank, strides.batch, strides.head, strides.token],
      }),
      buffers: {},
      usefulMultiplyAdds: useful,
      issuedMultiplyAdds: useful,
    };
  },
};
