// content-order: the present tokens first, then a step for each level of the tree, from one buffer to the other and back.

import { type ContentOrderProblem, ceilDivide } from '@flashmla/tensor';
import type { Kernel, Step } from '../plan.ts';

/** Levels until no node of `tokens` tokens is larger than a leaf; the left side may be up to a leaf larger than half. */
function levelsFor(tokens: number, leaf: number): number {
  let levels = 0;
  for (let node = tokens; node > leaf; levels++) {
    const left = ceilDivide(Math.floor(node / 2), leaf) * leaf;
    node = Math.max(left, node - left);
  }
  return levels;
}

export const contentOrder: Kernel<ContentOrderProblem> = {
  plan({ batch, heads, tokens, rank, leaf, mask }) {
    const batchHeads = batch * heads;
    const levels = levelsFor(tokens, leaf);
    // The last level writes the output.
    const orderAfter = (level: number) => ((levels - level) % 2 === 0 ? 'order' : 'other');
    const steps: Step[] = [
      {
        shader: 'content-order-start',
        constants: {},
        params: [batchHeads, heads, tokens, Number(mask)],
        bindings: ['mask', orderAfter(0), 'present'],
        workgroups: tokens > 0 ? batchHeads : 0,
      },
    ];
    for (let level = 0; level < levels; level++) {
      steps.push({
        shader: 'content-order',
        constants: { RANK: rank },
        params: [batchHeads, tokens, leaf, level],
        bindings: ['points', 'present', orderAfter(level), orderAfter(level + 1)],
        workgroups: batchHeads * 2 ** level,
      });
    }
    return {
      steps,
      buffers: { present: 4 * batchHeads, ...(levels > 0 && { other: 4 * batchHeads * tokens }) },
      usefulMultiplyAdds: 0,
      issuedMultiplyAdds: 0,
    };
  },
};
