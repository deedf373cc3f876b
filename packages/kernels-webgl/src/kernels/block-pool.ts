// block-pool: one pass for the features, one for what is present; ../shaders/block-pool.glsl and block-pool-present.glsl.

import { type BlockPoolProblem, ceilDivide } from '@flashmla/tensor';
import { type Kernel, NONE } from '../plan.ts';
import { shader } from '../shader.ts';
import source from '../shaders/block-pool.glsl';
import presentSource from '../shaders/block-pool-present.glsl';

const pool = shader('block-pool', source);
const present = shader('block-pool-present', presentSource);

const statisticsOf = ({ statistics }: BlockPoolProblem) => (statistics === 'mean' ? 1 : 3);

export const blockPool: Kernel<BlockPoolProblem> = {
  steps(p) {
    const { batch, heads, tokens, features, block } = p;
    const blocks = ceilDivide(tokens, block);
    const statistics = statisticsOf(p);
    const common = { mask: p.mask ? 'mask' : NONE, hasMask: Number(p.mask), block, blocks, tokens };
    return [
      {
        shader: pool,
        output: 'pooled',
        elements: batch * heads * blocks * statistics * features,
        arguments: {
          x: 'input',
          ...common,
          statistics,
          heads,
          features,
          tokensFirst: Number(p.layout === 'tokens-first'),
        },
      },
      { shader: present, output: 'present', elements: batch * blocks, arguments: common },
    ];
  },
  issuedMultiplyAdds: (p) => p.batch * p.heads * p.tokens * p.features * statisticsOf(p),
};
