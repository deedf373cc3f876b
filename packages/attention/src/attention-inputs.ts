// What the public attention functions take, checked: shapes and dtypes that kernels rely on, in words a caller can act on.

import {
  type AttentionDimensions,
  checkFloats,
  checkMask,
  FlashMLAError,
  formatShape,
  type Tensor,
} from '@flashmla/tensor';

export interface AttentionInputs {
  /** float32, float16 or bfloat16 [batch, heads, queries, headDim], on the host or on the device. */
  query: Tensor;
  /** Of query's dtype [batch, heads, keys, headDim]. */
  key: Tensor;
  /** Of query's dtype [batch, heads, keys, headDim]. */
  value: Tensor;
  /** Logits are scale · q·k; default 1/√headDim. */
  scale?: number;
  /** uint8 or bool [batch, keys]: 1 = present, 0 = padding; default: all keys are present. */
  keyMask?: Tensor;
  /** Key j is visible to query i when j ≤ i + (keys − queries); default false. */
  causal?: boolean;
  /** Work that has not begun when it aborts is skipped. */
  signal?: AbortSignal;
}

/** The dimensions that `inputs` agree on. Raises FlashMLAError 'invalid-argument' when they don't. */
export function dimensionsOf(inputs: AttentionInputs): AttentionDimensions {
  const { query, key, value, keyMask, causal = false } = inputs;
  const axes = '[batch, heads, tokens, headDim]';
  const dtype = checkFloats('[attention]', { query, key, value });
  for (const [name, given] of Object.entries({ query, key, value })) {
    if (given.shape.length === 4) continue;
    fail(`${name} is ${given.dtype} ${formatShape(given.shape)}; expected ${axes}. Reshape it.`);
  }
  const [batch, heads, queries, headDim] = query.shape as [number, number, number, number];
  const keys = key.shape[2]!;
  for (const [name, given] of Object.entries({ key, value })) {
    const expected = [batch, heads, keys, headDim];
    if (expected.every((size, axis) => size === given.shape[axis])) continue;
    fail(
      `${name} is ${formatShape(given.shape)}; expected ${formatShape(expected)}: batch, heads and headDim of query ` +
        `${formatShape(query.shape)}, as many tokens as key. Give tensors of one attention.`,
    );
  }
  const scale = inputs.scale ?? 1 / Math.sqrt(headDim);
  if (!Number.isFinite(scale)) fail(`scale is ${scale}; expected a finite number. Leave it out for 1/√headDim.`);
  const mask = Boolean(keyMask);
  if (mask) checkMask('[attention]', 'keyMask', keyMask, batch, keys);
  return { batch, heads, queries, keys, headDim, layout: 'heads-first', scale, mask, causal, dtype };
}

function fail(message: string): never {
  throw new FlashMLAError('invalid-argument', `[attention] ${message}`);
}
