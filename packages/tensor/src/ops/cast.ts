// cast: the elements of a tensor in another float type, each rounded once, to nearest, ties to even. What is too large for
// the type becomes an infinity; subnormal numbers stay; NaN stays NaN.

import { type FloatDType, floatDTypes } from '../dtype.ts';
import { check, checkDimensions, float, type Op } from './op.ts';

export interface CastProblem {
  readonly op: 'cast';
  readonly elements: number;
  readonly from: FloatDType;
  readonly to: FloatDType;
}

export const cast: Op<CastProblem> = {
  validate(p) {
    checkDimensions(p, 1, 'elements');
    for (const name of ['from', 'to'] as const) {
      check(p, floatDTypes.includes(p[name]), `${name} is '${p[name]}'; expected one of ${floatDTypes.join(', ')}.`);
    }
  },
  inputs: (p) => ({ input: float(p.from, p.elements) }),
  outputs: (p) => ({ output: float(p.to, p.elements) }),
  flops: (p) => p.elements,
};
