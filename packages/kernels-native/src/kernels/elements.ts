// What ops on flat tensors share; see ../../native/elements.hpp.

import { ceilDivide } from '@flashmla/tensor';
import type { Argument, NativePlan } from '../plan.ts';

const ELEMENTS = 16384;

export const pieces = (elements: number): number => ceilDivide(elements, ELEMENTS);

/** The plan of an op that takes each element by itself. */
export function elementwise(
  kernel: string,
  elements: number,
  words: readonly Argument[],
  multiplyAdds = 0,
): Omit<NativePlan, 'scratchBytes'> {
  return {
    steps: [{ kernel, tasks: pieces(elements), arguments: words }],
    buffers: {},
    threadBytes: 0,
    usefulMultiplyAdds: multiplyAdds,
    issuedMultiplyAdds: multiplyAdds,
  };
}
