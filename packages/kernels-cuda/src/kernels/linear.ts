// linear: cuBLASLt where it is there and does the problem. By kernels of our own: tiles of 128 × 128 outputs, or of 64 × 64 where
// the larger ones would leave multiprocessors idle; where those would, too, the inner dimension is split over blocks.

import { type Activation, ceilDivide, type LinearProblem } from '@flashmla/tensor';
import { type CudaPlan, type CudaTraits, type Kernel, launch, type Product, partsOf, suffixOf } from '../plan.ts';

const activations: readonly Activation[] = ['none', 'gelu', 'gelu-tanh', 'tanh', 'relu'];
/** Of the inner dimension in shared memory, and how many of these slices in half precision. */
const halfSlice = { depth: 32, stages: { 128: 3, 64: 4 } } as const;
const floatDepth = 16;
/** Of the inner dimension that a part has at least. */
const leastOfPart = 256;

/** The side of a tile, by the name of the variant. */
const sides = { '128x128': 128, '64x64': 64, split: 64 } as const;

const tilesOf = ({ rows, outFeatures }: LinearProblem, side: number) =>
  ceilDivide(rows, side) * ceilDivide(outFeatures, side);

const splitParts = (problem: LinearProblem, traits: CudaTraits) =>
  partsOf(tilesOf(problem, sides.split), problem.inFeatures, leastOfPart, traits);

/** Activations that are epilogues of cuBLASLt, whose GELU is the tanh form, as PyTorch's _addmm_activation relies on. */
const isEpilogue = (activation: Activation): activation is Product['activation'] =>
  activation === 'none' || activation === 'relu' || activation === 'gelu-tanh';

function productOf(problem: LinearProblem): Product {
  const { rows, inFeatures, outFeatures, bias, activation } = problem;
  return {
    ...{ rows, inFeatures, outFeatures, bias },
    type: suffixOf(problem),
    activation: isEpilogue(activation) ? activation : 'none',
  };
}

export const linear: Kernel<LinearProblem> = {
  variants(problem, traits) {
    const whole = tilesOf(problem, 128) >= traits.multiprocessors ? ['128x128', '64x64'] : ['64x64', '128x128'];
    const own = splitParts(problem, traits) > 1 ? ['split', ...whole] : whole;
    const byCublas = problem.rows > 0 && traits.cublas?.(productOf(problem)) !== undefined;
    return byCublas ? ['cublas', ...own] : own;
  },

  plan: (problem, traits, variant) =>
    variant === 'cublas' ? cublasPlan(problem, traits) : ownPlan(problem, traits, variant as keyof typeof sides),
};

function cublasPlan(problem: LinearProblem, traits: CudaTraits): Omit<CudaPlan, 'scratchBytes'> {
  const { rows, inFeatures, outFeatures, activation } = problem;
  const suffix = suffixOf(problem);
  const product = productOf(problem);
  const workspace = traits.cublas?.(product) ?? 0;
  const count = rows * outFeatures;
  return {
    steps: [
      { kernel: `cublas_${suffix}`, product, bindings: ['input', 'weight', 'bias', 'output', 'workspace'] },
      ...launch(`activate_${suffix}`, isEpilogue(activation) ? 0 : ceilDivide(count, 4 * 256), 256, {
        bindings: ['output'],
        words: [count, activations.indexOf(activation)],
      }),
    ],
    buffers: { ...(workspace > 0 && { workspace }) },
    // What it computes in vain it does not tell.
    usefulMultiplyAdds: count * inFeatures,
    issuedMultiplyAdds: count * inFeatures,
  };
}

function ownPlan(
  problem: LinearProblem,
  traits: CudaTraits,
  variant: keyof typeof sides,
): Omit<CudaPlan, 'scratchBytes'> {
  const { rows, inFeatures, outFeatures, activation } = problem;
  const suffix = suffixOf(problem);
  const half = suffix !== 'f32';
  const side = sides[variant];
  const tiles = tilesOf(problem, side);
  const parts = variant === 'split' ? splitParts(problem, traits) : 1;
  const depth = half ? halfSlice.depth : floatDepth;
  const activationWord = activations.indexOf(activation);
  return {
    steps: [
      ...launch(`linear_${suffix}_${side}x${side}`, tiles, half && side === 64 ? 128 : 256, {
        bindings: ['input', 'weight', 'bias', 'output', 'partial'],
        words: [rows, inFeatures, outFeatures, activationWord],
        sharedBytes: half ? halfSlice.stages[side] * 2 * side * halfSlice.depth * 2 : 0,
        parts,
      }),
      ...launch(`merge_linear_${suffix}`, parts > 1 ? ceilDivide(rows * outFeatures, 256) : 0, 256, {
        bindings: ['partial', 'bias', 'output'],
        words: [parts, rows * outFeatures, outFeatures, activationWord],
      }),
    ],
    buffers: { ...(parts > 1 && { partial: 4 * parts * rows * outFeatures }) },
    usefulMultiplyAdds: rows * inFeatures * outFeatures,
    issuedMultiplyAdds: tiles * side * side * ceilDivide(inFeatures, depth) * depth,
  };
}
