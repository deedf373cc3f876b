// gate-projection: output[b, h, t] = input[b, h, t] · map[h]: each head's queries or keys in its gate space of `rank`
// dimensions. The gate space itself is float32 in any precision: it is small, and what is selected hangs on it. So the ops
// that only read it, content-order and select-top-k, have no other precision.

import type { FloatDType } from '../dtype.ts';
import { headsSpec, type Layout } from './layout.ts';
import { checkDimensions, float32, type Op } from './op.ts';

export interface GateProjectionProblem {
  readonly op: 'gate-projection';
  readonly batch: number;
  readonly heads: number;
  readonly tokens: number;
  readonly features: number;
  readonly rank: number;
  /** Of the input; the output is always [batch, heads, tokens, rank]. */
  readonly layout: Layout;
  /** Of the input; absent = float32. */
  readonly dtype?: FloatDType;
}

export const gateProjection: Op<GateProjectionProblem> = {
  validate(p) {
    checkDimensions(p, 0, 'batch', 'tokens');
    checkDimensions(p, 1, 'heads', 'features', 'rank');
  },
  inputs: (p) => ({
    input: headsSpec(p, p.tokens, p.features),
    map: float32(p.heads, p.features, p.rank),
  }),
  outputs: (p) => ({ output: float32(p.batch, p.heads, p.tokens, p.rank) }),
  flops: (p) => 2 * p.batch * p.heads * p.tokens * p.features * p.rank,
};
