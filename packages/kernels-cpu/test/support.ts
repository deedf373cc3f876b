// Small helpers of this package's tests.

import { type DeviceTensor, execute, type Problem, tensor } from '@flashmla/tensor';
import type { CpuBackend } from '../dist/index.js';

/** Repeatable numbers in [−1, 1). */
export function noise(count: number, seed = 1): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

export const upload = (backend: CpuBackend, data: Float32Array, ...shape: number[]): DeviceTensor =>
  backend.upload(tensor(data, shape));

/** One dense self-attention over noise; its output. */
export async function attend(
  backend: CpuBackend,
  sizes: { heads: number; tokens: number; headDim: number },
  signal?: AbortSignal,
): Promise<DeviceTensor> {
  const { heads, tokens, headDim } = sizes;
  const problem: Problem = {
    op: 'dense-attention',
    batch: 1,
    heads,
    queries: tokens,
    keys: tokens,
    headDim,
    layout: 'tokens-first',
    scale: 1 / Math.sqrt(headDim),
    mask: false,
    causal: false,
  };
  const x = upload(backend, noise(tokens * heads * headDim), tokens, heads * headDim);
  const { output, lse } = await execute(backend, problem, { query: x, key: x, value: x }, { signal });
  x.dispose();
  lse!.dispose();
  return output!;
}
