// gate-projection: one pass; ../shaders/gate-projection.glsl.

import type { GateProjectionProblem } from '@flashmla/tensor';
import type { Kernel } from '../plan.ts';
import { shader } from '../shader.ts';
import source from '../shaders/gate-projection.glsl';

const project = shader('gate-projection', source);

export const gateProjection: Kernel<GateProjectionProblem> = {
  steps: ({ batch, heads, tokens, features, rank, layout }) => [
    {
      shader: project,
      output: 'output',
      elements: batch * heads * tokens * rank,
      arguments: {
        x: 'input',
        map: 'map',
        heads,
        tokens,
        features,
        rank,
        tokensFirst: Number(layout === 'tokens-first'),
      },
    },
  ],
  issuedMultiplyAdds: ({ batch, heads, tokens, features, rank }) => batch * heads * tokens * features * rank,
};
