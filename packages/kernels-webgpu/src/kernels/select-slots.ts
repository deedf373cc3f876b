// select-slots: the list of each slot, then each query's copy of its best slot's.

import { ceilDivide, type SelectSlotsProblem } from '@flashmla/tensor';
import type { Kernel } from '../plan.ts';

export const selectSlots: Kernel<SelectSlotsProblem> = {
  plan({ batch, heads, tokens, slotCount, slots, mask }) {
    const sizes = [batch, heads, tokens, slotCount, slots];
    return {
      steps: [
        {
          shader: 'select-slots',
          constants: {},
          params: [...sizes, Number(mask)],
          bindings: ['scores', 'mask', 'lists'],
          workgroups: slots > 0 ? batch * heads * slotCount : 0,
        },
        {
          shader: 'slot-lists',
          constants: {},
          params: sizes,
          bindings: ['scores', 'lists', 'indices'],
          workgroups: slots > 0 ? ceilDivide(batch * heads * tokens, 64) : 0,
        },
      ],
      buffers: { lists: 4 * batch * heads * slotCount * slots },
      usefulMultiplyAdds: 0,
      issuedMultiplyAdds: 0,
    };
  },
};
