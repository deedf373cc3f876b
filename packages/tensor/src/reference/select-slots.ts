// Reference of ops/select-slots.ts: a slot keeps the tokens that score highest in it, a query lists those of its best slot.

import type { SelectSlotsProblem } from '../ops/select-slots.ts';
import { presence, type Reference, range } from './arrays.ts';

export const selectSlots: Reference<SelectSlotsProblem> = (p, { scores, mask }) => {
  const { batch, heads, tokens, slotCount, slots } = p;
  const indices = new Int32Array(batch * heads * tokens * slots).fill(-1);
  for (let entry = 0; entry < batch; entry++) {
    const present = range(tokens).filter(presence(p.mask ? mask : undefined, entry, tokens));
    for (let head = 0; head < heads; head++) {
      const score = (token: number, slot: number) =>
        scores[((entry * tokens + token) * heads + head) * slotCount + slot];
      const kept = range(slotCount).map((slot) =>
        present
          .toSorted((a, b) => score(b, slot) - score(a, slot) || a - b)
          .slice(0, slots)
          .sort((a, b) => a - b),
      );
      for (let query = 0; query < tokens; query++) {
        const bestSlot = range(slotCount).reduce((a, b) => (score(query, b) > score(query, a) ? b : a), 0);
        indices.set(kept[bestSlot], ((entry * heads + head) * tokens + query) * slots);
      }
    }
  }
  return { indices };
};
