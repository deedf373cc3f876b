// select-slots: the members of each slot, then the list of each query; see ../../assembly/select-slots.ts.

import { ceilDivide, type SelectSlotsProblem } from '@flashmla/tensor';
import type { Kernel } from '../plan.ts';

const QUERIES = 64;

export const selectSlots: Kernel<SelectSlotsProblem> = {
  plan({ batch, heads, tokens, slotCount, slots }) {
    const words = ['scores', 'mask', 'members', 'indices', heads, tokens, slotCount, slots];
    return {
      steps: [
        { kernel: 'slotMembers', tasks: batch * heads * slotCount, arguments: words },
        { kernel: 'slotLists', tasks: batch * heads * ceilDivide(tokens, QUERIES), arguments: words },
      ],
      buffers: { members: 4 * batch * heads * slotCount * slots },
      threadBytes: 8 * tokens + 32,
      usefulMultiplyAdds: 0,
      issuedMultiplyAdds: 0,
    };
  },
};
