// select-slots: the list of each slot, then each query's copy of its best slot's.

import { ceilDivide, type SelectSlotsProblem } from '@flashmla/tensor';
import { type Kernel, launch, suffixOf } from '../plan.ts';

export const selectSlots: Kernel<SelectSlotsProblem> = {
  plan(problem) {
    const { batch, heads, tokens, slotCount, slots } = problem;
    const rows = batch * heads;
    const suffix = suffixOf(problem);
    return {
      steps:
        tokens === 0 || slots === 0
          ? []
          : [
              ...launch(`select_slots_${suffix}`, rows * slotCount, 128, {
                bindings: ['scores', 'mask', 'lists'],
                words: [heads, tokens, slotCount, slots],
              }),
              ...launch(`slot_lists_${suffix}`, ceilDivide(rows * tokens, 128), 128, {
                bindings: ['scores', 'lists', 'indices'],
                words: [rows, heads, tokens, slotCount, slots],
              }),
            ],
      buffers: { lists: 4 * rows * slotCount * slots },
      usefulMultiplyAdds: 0,
      issuedMultiplyAdds: 0,
    };
  },
};
