// Repeatable inputs.

import { randomSource, randomUniform } from '@flashmla/tensor';

/** `length` numbers in [−1, 1). */
export function randomArray(length: number, seed: number): Float32Array {
  return randomUniform(length, randomSource(seed));
}
