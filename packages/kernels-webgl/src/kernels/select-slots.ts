// select-slots: the best tokens of each slot (ranked.ts), then for each query the list of its best slot
// (../shaders/select-slots-*.glsl).

import type { SelectSlotsProblem } from '@flashmla/tensor';
import { type Kernel, NONE } from '../plan.ts';
import { shader } from '../shader.ts';
import indicesSource from '../shaders/select-slots-indices.glsl';
import scoresSource from '../shaders/select-slots-scores.glsl';
import { listSteps } from './ranked.ts';

const scoresBySlot = shader('select-slots-scores', scoresSource);
const indicesOfBest = shader('select-slots-indices', indicesSource);

export const selectSlots: Kernel<SelectSlotsProblem> = {
  steps({ batch, heads, tokens, slotCount, slots, mask }) {
    const rows = batch * heads * slotCount;
    const sizes = { heads, tokens, slotCount };
    return [
      {
        shader: scoresBySlot,
        output: 'scores by slot',
        elements: rows * tokens,
        arguments: { scores: 'scores', mask: mask ? 'mask' : NONE, hasMask: Number(mask), ...sizes },
      },
      ...listSteps('scores by slot', 'kept', rows, tokens, slots),
      {
        shader: indicesOfBest,
        output: 'indices',
        elements: batch * heads * tokens * slots,
        arguments: { scores: 'scores', kept: 'kept', ...sizes, slots },
      },
    ];
  },
  // It only compares.
  issuedMultiplyAdds: () => 0,
  largestIndex: ({ tokens }) => tokens,
};
