// dense-attention-gradient: segments of keys against all queries, then the sums over segments; see
// ../../native/dense-attention-gradient.hpp.

import { ceilDivide, type DenseAttentionGradientProblem } from '@flashmla/tensor';
import { type Argument, type Kernel, piecesBytes, roundUp, type Step } from '../plan.ts';
import { argumentWords, paddedDim, passes, passHeads, refusesHeadDim, TILE } from './attention.ts';

/** Queries and keys of a tile. */
const TILE_QUERIES = 48;
const TILE_KEYS = 64;
/** Elements of one of a segment's matrices, so that all five stay in the second level of cache: 512 keys of 64. */
const SEGMENT_ELEMENTS = 512 * 64;
/** Parts of queryGradient are kept, one for each segment. */
const MOST_SEGMENTS = 8;
/** Bytes of parts of a pass, or of one head's. */
const PASS_BYTES = 32 * 2 ** 20;

/** What precedes AttentionArguments in both attention gradients. */
export const gradientWords: readonly Argument[] = ['outputGradient', 'queryGradient', 'keyGradient', 'valueGradient'];

export const denseAttentionGradient: Kernel<DenseAttentionGradientProblem> = {
  refuses: refusesHeadDim,
  plan(p) {
    const dim = paddedDim(p.headDim);
    const fitting = Math.max(TILE_KEYS, SEGMENT_ELEMENTS / dim, p.keys / MOST_SEGMENTS);
    const segmentKeys = Math.min(roundUp(fitting, TILE_KEYS), roundUp(p.keys, TILE_KEYS));
    const segments = ceilDivide(p.keys, segmentKeys);
    const partBytes = segments > 1 ? 4 * segments * p.queries * p.headDim : 0;
    const cut = { tileQueries: TILE, blockKeys: 1, slots: 0, residualGroup: 0 };
    const rows = { keyRows: 0, groups: 0, groupRows: 0, values: false, products: 'wide' } as const;
    const steps = passes(p, partBytes, PASS_BYTES).flatMap(({ first, heads }): Step[] => {
      const words = [...gradientWords, 'parts', segments, segmentKeys, ...argumentWords(p, cut, rows, first)];
      const sums = { kernel: 'denseGradientSums', tasks: heads * ceilDivide(p.queries, TILE), arguments: words };
      return [{ kernel: 'denseGradient', tasks: heads * segments, arguments: words }, ...(segments > 1 ? [sums] : [])];
    });
    const heads = p.batch * p.heads;
    return {
      steps,
      buffers: { ...(partBytes > 0 && { parts: passHeads(p, partBytes, PASS_BYTES) * partBytes }) },
      threadBytes: piecesBytes(
        ...Array.from({ length: 5 }, () => 4 * segmentKeys * dim),
        4 * segmentKeys,
        ...Array.from({ length: 3 }, () => 4 * TILE_QUERIES * dim),
        ...Array.from({ length: 2 }, () => 4 * TILE_QUERIES * TILE_KEYS),
      ),
      usefulMultiplyAdds: 5 * heads * p.queries * p.keys * p.headDim,
      issuedMultiplyAdds: heads * p.queries * roundUp(p.keys, TILE_KEYS) * (2 * p.headDim + 3 * dim),
    };
  },
};
