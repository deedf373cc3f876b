// Reference of ops/dropout.ts.

import { type DropoutProblem, dropoutThreshold } from '../ops/dropout.ts';
import type { Reference } from './arrays.ts';

/** lowbias32, see there; takes any 32-bit number and gives an unsigned one. */
function mix(bits: number): number {
  let x = bits;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

export const dropout: Reference<DropoutProblem> = ({ rate }, { input, seed }) => {
  const threshold = dropoutThreshold(rate);
  const isKept = (i: number) => mix((mix(i) + seed[0]) | 0) >= threshold;
  return { output: Float64Array.from(input, (value, i) => (isKept(i) ? value / (1 - rate) : 0)) };
};
