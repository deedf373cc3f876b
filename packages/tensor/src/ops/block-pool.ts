// block-pool: statistics of each block of `block` neighbouring tokens, over those present: their mean, or their
// maximum, minimum and mean one after the other (SeerAttention, arXiv 2410.13276). A block without a present token gives
// zeros and is marked absent. Statistics are float32 in any precision, as all of a gate space (gate-projection.ts).

import type { FloatDType } from '../dtype.ts';
import { headsSpec, type Layout } from './layout.ts';
import { ceilDivide, checkDimensions, float32, type Op, uint8 } from './op.ts';

export interface BlockPoolProblem {
  readonly op: 'block-pool';
  readonly batch: number;
  readonly heads: number;
  readonly tokens: number;
  readonly features: number;
  readonly block: number;
  readonly statistics: 'mean' | 'max-min-mean';
  readonly layout: Layout;
  readonly mask: boolean;
  /** Of the input; absent = float32. */
  readonly dtype?: FloatDType;
}

export const blockPool: Op<BlockPoolProblem> = {
  validate(p) {
    checkDimensions(p, 0, 'batch', 'tokens');
    checkDimensions(p, 1, 'heads', 'features', 'block');
  },
  inputs: (p) => ({
    input: headsSpec(p, p.tokens, p.features),
    ...(p.mask && { mask: uint8(p.batch, p.tokens) }),
  }),
  outputs(p) {
    const blocks = ceilDivide(p.tokens, p.block);
    const width = p.statistics === 'mean' ? p.features : 3 * p.features;
    return { pooled: float32(p.batch, p.heads, blocks, width), present: uint8(p.batch, blocks) };
  },
  flops: (p) => p.batch * p.heads * p.tokens * p.features * (p.statistics === 'mean' ? 1 : 3),
};
