// What dense and sparse attention share: the tile that a workgroup takes on, and what is refused.

import type { AttentionDimensions, Refusal } from '@flashmla/tensor';
import type { GpuTraits } from '../plan.ts';

/** What an attention shader is compiled with. */
export interface AttentionTile {
  /** Queries of a workgroup. */
  readonly ROWS: number;
  /** Keys that are in workgroup memory at once. */
  readonly CHUNK: number;
  /** Threads of a query, where a thread is not of several. */
  readonly LANES?: number;
}

/** Heads that blocks are good for: longer ones leave room for so few rows and keys that few threads would have work. */
const mostBlockedDim = 64;
const blockedRows = 16;
const blockedChunk = 32;

/** The ways of the attention shaders, by their names' ends; of at most `mostRows` queries that share keys. */
export function attentionVariants(
  headDim: number,
  { features, subgroupSizes }: GpuTraits,
  mostRows = blockedRows,
): readonly string[] {
  if (headDim > mostBlockedDim || mostRows < 4) return ['lanes'];
  const hasSubgroups = features.has('subgroups') && (subgroupSizes?.min ?? 0) >= blockedChunk / 4;
  return hasSubgroups ? ['blocked', 'blocked-subgroups', 'lanes'] : ['blocked', 'lanes'];
}

/**
 * The tile for heads of `headDim`, of at most `mostRows` queries: queries, a chunk and their scores together in 16 KiB of
 * workgroup memory, which every WebGPU device has, at 128 threads or fewer.
 */
export function attentionTile(variant: string, headDim: number, mostRows = blockedRows): AttentionTile {
  const fitting = headDim <= 64 ? 16 : headDim <= 128 ? 8 : 4;
  const ROWS = 2 ** Math.floor(Math.log2(Math.min(mostRows, fitting)));
  if (variant !== 'lanes') return { ROWS, CHUNK: blockedChunk };
  return { ROWS, LANES: ROWS === 1 ? 32 : 8, CHUNK: headDim <= 64 ? 32 : headDim <= 128 ? 16 : 8 };
}

export function refusesHeads({ headDim }: AttentionDimensions): Refusal | undefined {
  if (headDim % 4 === 0 && headDim <= 256) return undefined;
  return {
    reason: `headDim ${headDim} is not a multiple of 4 up to 256`,
    advice: 'pad query, key and value with zeros to the next multiple of 4, or use fewer features a head',
  };
}
