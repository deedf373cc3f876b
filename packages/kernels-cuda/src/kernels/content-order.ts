// content-order: the present tokens first; a step for each level of large nodes, from one buffer to the other and back; then
// one step for all levels that are left.

import { type ContentOrderProblem, ceilDivide } from '@flashmla/tensor';
import { type Kernel, launch } from '../plan.ts';

/** Tokens that one block takes down to the leaves. */
const mostOfBlock = 1024;

/** Levels until no node of `tokens` tokens is larger than `most`; the left side may be up to a leaf larger than half. */
function levelsUntil(most: number, tokens: number, leaf: number): number {
  let levels = 0;
  for (let node = tokens; node > Math.max(most, leaf); levels++) node = largerSide(node, leaf);
  return levels;
}

function largerSide(node: number, leaf: number): number {
  const left = ceilDivide(Math.floor(node / 2), leaf) * leaf;
  return Math.max(left, node - left);
}

export const contentOrder: Kernel<ContentOrderProblem> = {
  plan({ batch, heads, tokens, rank, leaf }) {
    const rows = batch * heads;
    const all = levelsUntil(leaf, tokens, leaf);
    const large = levelsUntil(mostOfBlock, tokens, leaf);
    const last = Number(all > large);
    // The last step writes the output.
    const orderAfter = (step: number) => ((large + last - step) % 2 === 0 ? 'order' : 'other');
    const between = (step: number) => ({ bindings: ['points', 'present', orderAfter(step), orderAfter(step + 1)] });
    const splits = Array.from({ length: large }, (_, level) =>
      launch('content_order_split', rows * 2 ** level, 1024, { ...between(level), words: [tokens, rank, leaf, level] }),
    );
    let node = tokens;
    for (let level = 0; level < large; level++) node = largerSide(node, leaf);
    return {
      steps: [
        ...launch('content_order_start', tokens > 0 ? rows : 0, 1024, {
          bindings: ['mask', orderAfter(0), 'present'],
          words: [heads, tokens],
        }),
        ...splits.flat(),
        ...launch('content_order_leaves', last * rows * 2 ** large, ceilDivide(node, 32) * 32, {
          ...between(large),
          words: [tokens, rank, leaf, large, all - large],
        }),
      ],
      buffers: { present: 4 * rows, ...(large + last > 0 && { other: 4 * rows * tokens }) },
      usefulMultiplyAdds: 0,
      issuedMultiplyAdds: 0,
    };
  },
};
