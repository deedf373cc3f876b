// What dense and sparse attention share: the tile that a block takes on, the words of every attention kernel, what is refused.

import { type AttentionDimensions, headsStrides, type Refusal } from '@flashmla/tensor';
import { float, type Word } from '../plan.ts';

/** Head widths that kernels are compiled for: the smallest that holds a head is taken. */
export type HeadWidth = 64 | 128 | 256;
export const headWidth = ({ headDim }: AttentionDimensions): HeadWidth => (headDim <= 64 ? 64 : headDim <= 128 ? 128 : 256);

/** The words of kernels/attention.cuh's ATTENTION_WORDS. */
export function attentionWords(p: AttentionDimensions): Word[] {
  const strides = [p.queries, p.keys].flatMap((tokens) => {
    const { batch, head, token } = headsStrides(p.layout, p.heads, tokens, p.headDim);
    return [batch, head, token];
  });
  return [p.heads, p.queries, p.keys, p.headDim, ...strides, float(p.scale), Number(p.causal)];
}

/** The queries that are worked on together, the keys that are in shared memory at once, and what both take of it. */
export interface AttentionTile {
  readonly rows: number;
  readonly chunk: number;
  readonly sharedBytes: number;
}

/** The tile of kernels/simt-attention.cuh for `width`, of at most `mostRows` queries (16 or more). */
export function simtTile(width: HeadWidth, mostRows: number): AttentionTile {
  const rows = Math.min(mostRows, { 64: 64, 128: 32, 256: 16 }[width]);
  const chunk = { 64: 32, 128: 16, 256: 8 }[width];
  return { rows, chunk, sharedBytes: 4 * ((rows + 2 * chunk) * (width + 4) + rows * (chunk + 4) + 2 * chunk) };
}

/** Keys that a block of four warps has in shared memory at once, in half precision. */
export const halfChunk: Readonly<Record<HeadWidth, number>> = { 64: 64, 128: 32, 256: 16 };

/** A team of kernels/tensor-core-attention.cuh: `rows` queries, 16 a warp, over `chunk` keys at a time. */
export function tensorCoreTile(width: HeadWidth, warps: number, chunk: number): AttentionTile {
  const rows = 16 * warps;
  return { rows, chunk, sharedBytes: 2 * (rows + 4 * chunk) * (width + 8) + 24 * chunk };
}

export function refusesHeads({ headDim }: AttentionDimensions): Refusal | undefined {
  if (headDim % 4 === 0 && headDim <= 256) return undefined;
  return {
    reason: `headDim ${headDim} is not a multiple of 4 up to 256`,
    advice: 'pad query, key and value with zeros to the next multiple of 4, or use fewer features a head',
  };
}
