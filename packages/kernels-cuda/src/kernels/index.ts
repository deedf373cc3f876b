import type { Problem, Refusal } from '@flashmla/tensor';
import type { CudaPlan, CudaTraits } from '../plan.ts';

export function refusal({ op }: Problem, _traits: CudaTraits): Refusal | undefined {
  return op === 'linear' ? undefined : { reason: 'stand-in', advice: 'wait for the kernels' };
}

export function planOf(problem: Problem, _traits: CudaTraits): CudaPlan {
  if (problem.op !== 'linear') throw new Error(problem.op);
  const { rows, inFeatures, outFeatures } = problem;
  return {
    steps: [
      {
        kernel: 'linear_f32',
        grid: [rows, 1, 1],
        block: [128, 1, 1],
        sharedBytes: 0,
        bindings: ['input', 'weight', 'bias', 'output'],
        words: [rows, inFeatures, outFeatures],
      },
    ],
    buffers: {},
    scratchBytes: 0,
    usefulMultiplyAdds: rows * inFeatures * outFeatures,
    issuedMultiplyAdds: rows * inFeatures * outFeatures,
  };
}
