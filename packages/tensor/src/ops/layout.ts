// How [batch, heads, tokens, features] data lies in memory. Models keep tokens first, as a linear layer writes them,
// so that no transpose is ever needed; the public attention functions take heads first.

import { float32, type TensorSpec } from './op.ts';

/** 'heads-first': [batch, heads, tokens, features]. 'tokens-first': [batch, tokens, heads, features]. */
export type Layout = 'heads-first' | 'tokens-first';

export function headsSpec(layout: Layout, batch: number, heads: number, tokens: number, features: number): TensorSpec {
  return layout === 'heads-first' ? float32(batch, heads, tokens, features) : float32(batch, tokens, heads, features);
}

/** Elements from one batch entry, head or token to the next. */
export function headsStrides(layout: Layout, heads: number, tokens: number, features: number) {
  return layout === 'heads-first'
    ? { batch: heads * tokens * features, head: tokens * features, token: features }
    : { batch: heads * tokens * features, head: features, token: heads * features };
}
