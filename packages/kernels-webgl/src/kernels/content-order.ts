// content-order: the tree level by level, all nodes of a level at once: variances, dimensions, who goes where, the new
// order (../shaders/content-order-*.glsl). A token looks at all tokens of its node, so a level costs tokens × node.

import { type ContentOrderProblem, ceilDivide } from '@flashmla/tensor';
import { type Kernel, NONE, type Step } from '../plan.ts';
import { shader } from '../shader.ts';
import axesSource from '../shaders/content-order-axes.glsl';
import countsSource from '../shaders/content-order-counts.glsl';
import nodeSource from '../shaders/content-order-node.glsl';
import sidesSource from '../shaders/content-order-sides.glsl';
import splitSource from '../shaders/content-order-split.glsl';
import startSource from '../shaders/content-order-start.glsl';
import variancesSource from '../shaders/content-order-variances.glsl';

const counts = shader('content-order-counts', countsSource);
const start = shader('content-order-start', startSource);
const variances = shader('content-order-variances', nodeSource, variancesSource);
const axes = shader('content-order-axes', axesSource);
const sides = shader('content-order-sides', nodeSource, sidesSource);
const split = shader('content-order-split', nodeSource, splitSource);

/** A node of u leaves, the last perhaps not full, has children of at most ⌈u / 2⌉; so has any with fewer tokens. */
const levelsOf = ({ tokens, leaf }: ContentOrderProblem) => Math.ceil(Math.log2(Math.max(1, ceilDivide(tokens, leaf))));

export const contentOrder: Kernel<ContentOrderProblem> = {
  steps(p) {
    const { batch, heads, tokens, rank, leaf } = p;
    const mask = { mask: p.mask ? 'mask' : NONE, hasMask: Number(p.mask) };
    const all = batch * heads * tokens;
    const level = (level: number): Step[] => {
      const nodes = batch * heads * 2 ** level;
      const tree = { order: 'order', counts: 'counts', level, leaf, heads, tokens };
      return [
        {
          shader: variances,
          output: 'variances',
          elements: nodes * rank,
          arguments: { ...tree, points: 'points', rank },
        },
        { shader: axes, output: 'axes', elements: nodes, arguments: { variances: 'variances', rank } },
        { shader: sides, output: 'sides', elements: all, arguments: { ...tree, points: 'points', axes: 'axes', rank } },
        { shader: split, output: 'order', elements: all, arguments: { ...tree, sides: 'sides' } },
      ];
    };
    if (tokens === 0) return [];
    return [
      { shader: counts, output: 'counts', elements: batch, arguments: { ...mask, tokens } },
      { shader: start, output: 'order', elements: all, arguments: { ...mask, counts: 'counts', heads, tokens } },
      ...Array.from({ length: levelsOf(p) }, (_, depth) => level(depth)).flat(),
    ];
  },
  issuedMultiplyAdds: (p) => 2 * p.batch * p.heads * p.tokens * p.rank * levelsOf(p),
  largestIndex: ({ tokens }) => tokens,
};
