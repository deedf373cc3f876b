// What dense and sparse attention share: the tile that a workgroup takes on, and what is refused.

import type { AttentionDimensions, Refusal } from '@flashmla/tensor';

export interface AttentionTile {
  /** Queries of a workgroup. */
  readonly ROWS: number;
  /** Threads of a query. */
  readonly LANES: number;
  /** Keys that are in workgroup memory at once. */
  readonly CHUNK: number;
}

/**
 * The tile for heads of `headDim`, of at most `mostRows` queries: queries and a chunk together in 16 KiB of workgroup
 * memory, which every WebGPU device has, at 128 threads or fewer.
 */
export function attentionTile(headDim: number, mostRows = 16): AttentionTile {
  const fitting = headDim <= 64 ? 16 : headDim <= 128 ? 8 : 4;
  const ROWS = 2 ** Math.floor(Math.log2(Math.min(mostRows, fitting)));
  return { ROWS, LANES: ROWS === 1 ? 32 : 8, CHUNK: headDim <= 64 ? 32 : headDim <= 128 ? 16 : 8 };
}

export function refusesHeads({ headDim }: AttentionDimensions): Refusal | undefined {
  if (headDim % 4 === 0 && headDim <= 256) return undefined;
  return {
    reason: `headDim ${headDim} is not a multiple of 4 up to 256`,
    advice: 'pad query, key and value with zeros to the next multiple of 4, or use fewer features a head',
  };
}
