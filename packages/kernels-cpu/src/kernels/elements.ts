// What ops on flat tensors share; see ../../assembly/elements.ts.

import { ceilDivide } from '@flashmla/tensor';
import type { Argument, CpuPlan, Step } from '../plan.ts';

const ELEMENTS = 16384;

export const pieces = (elements: number): number => ceilDivide(elements, ELEMENTS);

/** The plan of an op that takes each element by itself. */
export function elementwise(
  kernel: Step['kernel'],
  elements: number,
  words: readonly Argument[],
  multiplyAdds = 0,
): Omit<CpuPlan, 'scratchBytes'> {
  return {
    steps: [{ kernel, tasks: pieces(elements), arguments: words }],
    buffers: {},
    threadBytes: 0,
    usefulMultiplyAdds: multiplyAdds,
    issuedMultiplyAdds: multiplyAdds,
  };
}
