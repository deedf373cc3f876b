// How [batch, heads, tokens, features] data lies in memory. Models keep tokens first, as a linear layer writes them,
// so that no transpose is ever needed; the public attention functions take heads first.

import type { FloatDType } from '../dtype.ts';
import { float, type TensorSpec } from './op.ts';

/** 'heads-first': [batch, heads, tokens, features]. 'tokens-first': [batch, tokens, heads, features]. */
export type Layout = 'heads-first' | 'tokens-first';

export function headsSpec(
  { layout, batch, heads, dtype }: { layout: Layout; batch: number; heads: number; dtype?: FloatDType },
  tokens: number,
  features: number,
): TensorSpec {
  return layout === 'heads-first'
    ? float(dtype, batch, heads, tokens, features)
    : float(dtype, batch, tokens, heads, features);
}

/** Elements from one batch entry, head or token to the next. */
export function headsStrides(layout: Layout, heads: number, tokens: number, features: number) {
  return layout === 'heads-first'
    ? { batch: heads * tokens * features, head: tokens * features, token: features }
    : { batch: heads * tokens * features, head: features, token: heads * features };
}
