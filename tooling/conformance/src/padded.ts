// Texts of different lengths in one batch, and what of the batch belongs to which text.

import type { NumberArray } from '@flashmla/tensor';

export interface PaddedSizes {
  readonly heads: number;
  /** Tokens (or tiles, or blocks) that every text is padded to. */
  readonly tokens: number;
  /** Elements of a token. */
  readonly features: number;
}

/** Joins texts of [heads, length of its own, features] to [batch, heads, tokens, features], with `filler` in what is left. */
export function pad<A extends NumberArray>(texts: readonly A[], sizes: PaddedSizes, filler: number): A {
  const { heads, tokens, features } = sizes;
  const like = texts[0]!.constructor as new (length: number) => A;
  const padded = new like(texts.length * heads * tokens * features).fill(filler) as A;
  for (const [batch, text] of texts.entries()) {
    const length = text.length / heads;
    for (let head = 0; head < heads; head++) {
      padded.set(text.subarray(head * length, (head + 1) * length), (batch * heads + head) * tokens * features);
    }
  }
  return padded;
}

/** Of a padded array, text `batch`'s first `length` tokens: [heads, length, features]. */
export function unpad<A extends NumberArray>(padded: A, sizes: PaddedSizes, batch: number, length: number): A {
  const { heads, tokens, features } = sizes;
  const text = padded.slice(0, heads * length * features) as A;
  for (let head = 0; head < heads; head++) {
    const start = (batch * heads + head) * tokens * features;
    text.set(padded.subarray(start, start + length * features), head * length * features);
  }
  return text;
}

/** Orders of texts ([heads, length] each), each followed by its padding, ascending. */
export function padOrders(orders: readonly Int32Array[], heads: number, tokens: number): Int32Array {
  const padded = pad(orders, { heads, tokens, features: 1 }, -1);
  return padded.map((token, i) => (token < 0 ? i % tokens : token));
}

/** Masks that say which tokens are text: [batch, tokens]. */
export function padMask(lengths: readonly number[], tokens: number): Uint8Array {
  return Uint8Array.from({ length: lengths.length * tokens }, (_, i) =>
    Number(i % tokens < lengths[Math.floor(i / tokens)]!),
  );
}
