// What dense and sparse attention share: the tile that a block takes on, the words of every attention kernel, what is refused.

import { type AttentionDimensions, ceilDivide, headsStrides, type Problem, type Refusal } from '@flashmla/tensor';
import { type CudaPlan, type CudaTraits, float, launch, partsOf, suffixOf, type Word } from '../plan.ts';

/** Head widths that kernels are compiled for: the smallest that holds a head is taken. */
export type HeadWidth = 64 | 128 | 256;
export const headWidth = ({ headDim }: AttentionDimensions): HeadWidth =>
  headDim <= 64 ? 64 : headDim <= 128 ? 128 : 256;

/** The words of kernels/attention.cuh's ATTENTION_WORDS. */
export function attentionWords(p: AttentionDimensions): Word[] {
  const strides = [p.queries, p.keys].flatMap((tokens) => {
    const { batch, head, token } = headsStrides(p.layout, p.heads, tokens, p.headDim);
    return [batch, head, token];
  });
  return [p.heads, p.queries, p.keys, p.headDim, ...strides, float(p.scale), Number(p.causal)];
}

export interface AttentionTile {
  /** Queries that are worked on together. */
  readonly rows: number;
  /** Keys come in whole multiples of this: what is left of the last one is computed in vain. */
  readonly keys: number;
  /** Multiply-adds of a query and a key: of the logit, and of the value that is added. */
  readonly multiplyAdds: number;
  readonly sharedBytes: number;
}

/** The tile of kernels/simt-attention.cuh, of at most `mostRows` queries (16 or more). Logits take no more than headDim. */
export function simtTile(problem: AttentionDimensions, mostRows: number): AttentionTile {
  const width = headWidth(problem);
  const rows = Math.min(mostRows, { 64: 64, 128: 32, 256: 16 }[width]);
  const chunk = { 64: 32, 128: 16, 256: 8 }[width];
  return {
    rows,
    keys: chunk,
    multiplyAdds: problem.headDim + width,
    sharedBytes: 4 * ((rows + 2 * chunk) * (width + 4) + rows * (chunk + 4) + 2 * chunk),
  };
}

/** Keys that a block of four warps has in shared memory at once, in half precision. */
export const halfChunk: Readonly<Record<HeadWidth, number>> = { 64: 64, 128: 32, 256: 16 };

/** Keys that are multiplied at once on tensor cores. */
const tensorCoreKeys = 16;

/** A team of kernels/tensor-core-attention.cuh: 16 queries a warp, `chunk` keys in shared memory. */
export function tensorCoreTile(problem: AttentionDimensions, warps: number, chunk: number): AttentionTile {
  const width = headWidth(problem);
  const rows = 16 * warps;
  return {
    rows,
    keys: tensorCoreKeys,
    multiplyAdds: 2 * width,
    sharedBytes: 2 * (rows + 4 * chunk) * (width + 8) + 24 * chunk,
  };
}

/** Keys that a part has at least. */
const leastKeysOfPart = 256;

/** Among how many blocks the keys of a tile are split. @param keys of a tile */
export const keyParts = (blocks: number, keys: number, traits: CudaTraits): number =>
  partsOf(blocks, keys, leastKeysOfPart, traits);

/** The step that joins the parts of attention whose keys are split, and the memory between: none where there is one part. */
export function mergeSplits(
  problem: AttentionDimensions & Problem,
  parts: number,
): Pick<CudaPlan, 'steps' | 'buffers'> {
  if (parts === 1) return { steps: [], buffers: {} };
  const { batch, heads, queries, headDim } = problem;
  return {
    steps: launch(`merge_splits_${suffixOf(problem)}`, ceilDivide(batch * heads * queries, 4), 128, {
      bindings: ['partial', 'output', 'lse'],
      words: [batch * heads, parts, ...attentionWords(problem)],
    }),
    buffers: { partial: 4 * batch * heads * queries * parts * (headDim + 4) },
  };
}

export function refusesHeads({ headDim }: AttentionDimensions): Refusal | undefined {
  if (headDim % 4 === 0 && headDim <= 256) return undefined;
  return {
    reason: `headDim ${headDim} is not a multiple of 4 up to 256`,
    advice: 'pad query, key and value with zeros to the next multiple of 4, or use fewer features a head',
  };
}
