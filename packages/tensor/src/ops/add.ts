// add: output = a + b, element by element; what a tensor with two readers gets back is the sum of what each gives.

import { checkDimensions, float32, type Op } from './op.ts';

export interface AddProblem {
  readonly op: 'add';
  readonly elements: number;
}

export const add: Op<AddProblem> = {
  validate: (p) => checkDimensions(p, 1, 'elements'),
  inputs: (p) => ({ a: float32(p.elements), b: float32(p.elements) }),
  outputs: (p) => ({ output: float32(p.elements) }),
  inPlace: { output: ['a', 'b'] },
  flops: (p) => p.elements,
};
