// select-slots: the seed's slot gate. scores[b, t, h, s] says how well token t fits slot s of head h. A slot keeps the
// `slots` present tokens that score highest in it; a query lists the tokens of its best slot. Ties: the smaller number.
// The list is ascending, −1 fills what is left of it.

import type { FloatDType } from '../dtype.ts';
import { checkDimensions, float, int32, type Op, uint8 } from './op.ts';

export interface SelectSlotsProblem {
  readonly op: 'select-slots';
  readonly batch: number;
  readonly heads: number;
  readonly tokens: number;
  /** Slots of a head that tokens compete for. */
  readonly slotCount: number;
  /** Tokens a slot keeps = entries of a list. */
  readonly slots: number;
  readonly mask: boolean;
  /** Of the scores, which are compared as they are; absent = float32. */
  readonly dtype?: FloatDType;
}

export const selectSlots: Op<SelectSlotsProblem> = {
  validate(p) {
    checkDimensions(p, 0, 'batch', 'tokens', 'slots');
    checkDimensions(p, 1, 'heads', 'slotCount');
  },
  inputs: (p) => ({
    scores: float(p.dtype, p.batch, p.tokens, p.heads, p.slotCount),
    ...(p.mask && { mask: uint8(p.batch, p.tokens) }),
  }),
  outputs: (p) => ({ indices: int32(p.batch, p.heads, p.tokens, p.slots) }),
  flops: (p) => 2 * p.batch * p.heads * p.tokens * p.slotCount,
};
