// sum-of-squares: output = Σ input[i]², what the norm of a gradient is made of.
//
// The order of the sum is fixed by `elements` alone. NaN or an infinity among the elements gives NaN or infinity, as does a
// sum that is too large for float32: a training step sees in one number that it can't be taken.

import { checkDimensions, float32, type Op } from './op.ts';

export interface SumOfSquaresProblem {
  readonly op: 'sum-of-squares';
  readonly elements: number;
}

export const sumOfSquares: Op<SumOfSquaresProblem> = {
  validate: (p) => checkDimensions(p, 1, 'elements'),
  inputs: (p) => ({ input: float32(p.elements) }),
  outputs: () => ({ output: float32(1) }),
  flops: (p) => 2 * p.elements,
};
