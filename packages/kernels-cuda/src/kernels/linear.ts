// linear: tiles of 128 × 128 outputs, or of 64 × 64 where the larger ones would leave multiprocessors idle.

import { type Activation, ceilDivide, type LinearProblem } from '@flashmla/tensor';
import { type Kernel, launch, suffixOf } from '../plan.ts';

const activations: readonly Activation[] = ['none', 'gelu', 'gelu-tanh', 'tanh', 'relu'];
/** Of the inner dimension in shared memory, and how many of these slices in half precision. */
const halfSlice = { depth: 32, stages: { 128: 3, 64: 4 } } as const;
const floatDepth = 16;

export const linear: Kernel<LinearProblem> = {
  plan(problem, { multiprocessors }) {
    const { rows, inFeatures, outFeatures, activation } = problem;
    const suffix = suffixOf(problem);
    const half = suffix !== 'f32';
    const tilesOf = (size: number) => ceilDivide(rows, size) * ceilDivide(outFeatures, size);
    const size = tilesOf(128) >= multiprocessors ? 128 : 64;
    const depth = half ? halfSlice.depth : floatDepth;
    return {
      steps: launch(`linear_${suffix}_${size}x${size}`, tilesOf(size), half && size === 64 ? 128 : 256, {
        bindings: ['input', 'weight', 'bias', 'output'],
        words: [rows, inFeatures, outFeatures, activations.indexOf(activation)],
        sharedBytes: half ? halfSlice.stages[size] * 2 * size * halfSlice.depth * 2 : 0,
      }),
      buffers: {},
      usefulMultiplyAdds: rows * inFeatures * outFeatures,
      issuedMultiplyAdds: tilesOf(size) * size * size * ceilDivide(inFeatures, depth) * depth,
    };
  },
};
