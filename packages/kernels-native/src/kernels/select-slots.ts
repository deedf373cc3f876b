// select-slots: the members of each slot, then the list of each query; see ../../native/select-slots.hpp.

import { ceilDivide, type SelectSlotsProblem } from '@flashmla/tensor';
import { type Kernel, piecesBytes, suffixOf } from '../plan.ts';

const QUERIES = 64;

export const selectSlots: Kernel<SelectSlotsProblem> = {
  plan(problem) {
    const { batch, heads, tokens, slotCount, slots } = problem;
    const words = ['scores', 'mask', 'members', 'indices', heads, tokens, slotCount, slots];
    const suffix = suffixOf(problem);
    return {
      steps: [
        { kernel: `slotMembers_${suffix}`, tasks: batch * heads * slotCount, arguments: words },
        { kernel: `slotLists_${suffix}`, tasks: batch * heads * ceilDivide(tokens, QUERIES), arguments: words },
      ],
      buffers: { members: 4 * batch * heads * slotCount * slots },
      threadBytes: piecesBytes(4 * (tokens + 16), 4 * (tokens + 16)),
      usefulMultiplyAdds: 0,
      issuedMultiplyAdds: 0,
    };
  },
};
