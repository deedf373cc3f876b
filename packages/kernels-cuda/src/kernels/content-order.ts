// content-order: the present tokens first, then a step for each level of the tree, from one buffer to the other and back.

import { type ContentOrderProblem, ceilDivide } from '@flashmla/tensor';
import { type Kernel, launch } from '../plan.ts';

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
  plan({ batch, heads, tokens, rank, leaf }) {
    const rows = batch * heads;
    const levels = levelsFor(tokens, leaf);
    // The last level writes the output.
    const orderAfter = (level: number) => ((levels - level) % 2 === 0 ? 'order' : 'other');
    const splits = Array.from({ length: levels }, (_, level) =>
      launch('content_order', rows * 2 ** level, 128, {
        bindings: ['points', 'present', orderAfter(level), orderAfter(level + 1)],
        words: [tokens, rank, leaf, level],
      }),
    );
    return {
      steps: [
        ...launch('content_order_start', tokens > 0 ? rows : 0, 128, {
          bindings: ['mask', orderAfter(0), 'present'],
          words: [heads, tokens],
        }),
        ...splits.flat(),
      ],
      buffers: { present: 4 * rows, ...(levels > 0 && { other: 4 * rows * tokens }) },
      usefulMultiplyAdds: 0,
      issuedMultiplyAdds: 0,
    };
  },
};
