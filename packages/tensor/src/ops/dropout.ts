// dropout: output[i] = input[i] / (1 − rate) where element i is kept, else 0. Srivastava et al. 2014; scaled while training.
//
// Element i is kept where mix(mix(i) + seed) ≥ ⌊rate · 2³²⌋, in unsigned 32-bit arithmetic that wraps. mix is lowbias32 of
// Wellons 2018, "Prospecting for Hash Functions" (nullprogram.com/blog/2018/07/31):
//   x ^= x >> 16; x *= 0x7feb352d; x ^= x >> 15; x *= 0x846ca68b; x ^= x >> 16.
// So the mask is the same on every backend and nobody keeps it: the gradient is the same op, with the same seed, on the
// gradient of the output. Seeds that follow one another give masks that have nothing to do with one another.

import { check, checkDimensions, float32, int32, type Op } from './op.ts';

export interface DropoutProblem {
  readonly op: 'dropout';
  readonly elements: number;
  /** The share of elements that becomes 0, in [0, 1). */
  readonly rate: number;
}

export const dropout: Op<DropoutProblem> = {
  validate(p) {
    checkDimensions(p, 1, 'elements');
    check(p, p.rate >= 0 && p.rate < 1, `rate is ${p.rate}; expected a number from 0 to below 1.`);
  },
  inputs: (p) => ({ input: float32(p.elements), seed: int32(1) }),
  outputs: (p) => ({ output: float32(p.elements) }),
  inPlace: { output: ['input'] },
  flops: (p) => p.elements,
};

/** The least hash of an element that is kept. */
export const dropoutThreshold = (rate: number): number => Math.floor(rate * 2 ** 32);
