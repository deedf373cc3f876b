// Repeatable inputs.

import { uniform } from '../src/random.ts';

/** `length` numbers in [−1, 1). */
export function randomArray(length: number, seed: number): Float32Array {
  const next = uniform(seed);
  return Float32Array.from({ length }, () => 2 * next() - 1);
}
