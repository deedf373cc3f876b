// select-top-k: block features, then the best blocks of each tile; see ../../assembly/select-top-k.ts.

import { ceilDivide, type SelectTopKProblem } from '@flashmla/tensor';
import { type Kernel, roundUp, type Step } from '../plan.ts';

const TILES = 16;
/** As in the kernel, order-statistics.ts. */
const candidateBytes = (wanted: number) => 8 * (4 * wanted + 64);

export const selectTopK: Kernel<SelectTopKProblem> = {
  plan(p) {
    const batchHeads = p.batch * p.heads;
    const blocks = ceilDivide(p.keys, p.blockKeys);
    const coarse = p.coarseBlocks > 0 ? ceilDivide(blocks, p.coarseBlocks) : 0;
    const tiles = ceilDivide(p.queries, p.tileQueries);
    const featureStep = (features: string, present: string, block: number, count: number): Step => ({
      kernel: 'featureBlocks',
      tasks: batchHeads * ceilDivide(count, 8),
      arguments: ['key', 'keyOrder', 'keyMask', features, present, p.heads, p.keys, p.rank, block, count],
    });
    const featureBytes = (count: number) => 4 * batchHeads * roundUp(count, 8) * p.rank;
    const scored = coarse > 0 ? coarse + Math.min(blocks, p.coarseSlots * p.coarseBlocks) : blocks;
    return {
      steps: [
        featureStep('features', 'present', p.blockKeys, blocks),
        ...(coarse > 0 ? [featureStep('coarse', 'coarsePresent', p.blockKeys * p.coarseBlocks, coarse)] : []),
        {
          kernel: 'selectTopK',
          tasks: batchHeads * ceilDivide(tiles, TILES),
          arguments: [
            'query',
            'queryOrder',
            'queryMask',
            'features',
            'present',
            'coarse',
            'coarsePresent',
            'relativeBias',
            'indices',
            p.heads,
            p.queries,
            p.keys,
            p.rank,
            p.tileQueries,
            p.blockKeys,
            blocks,
            p.slots,
            p.causal ? 1 : 0,
            p.forceFirst,
            p.forceDiagonal,
            p.biasSpan,
            p.coarseBlocks,
            coarse,
            p.coarseSlots,
            'headSlots',
          ],
        },
      ],
      buffers: {
        features: featureBytes(blocks),
        present: batchHeads * roundUp(blocks, 8),
        ...(coarse > 0 && { coarse: featureBytes(coarse), coarsePresent: batchHeads * roundUp(coarse, 8) }),
      },
      threadBytes:
        16 * p.rank +
        4 * roundUp(p.rank, 4) +
        16 * roundUp(coarse > 0 ? coarse : blocks, 16) +
        12 * (coarse > 0 ? roundUp(blocks, 16) : 0) +
        candidateBytes(Math.min(p.slots, blocks)) +
        candidateBytes(Math.min(p.coarseSlots, coarse)),
      usefulMultiplyAdds: batchHeads * tiles * scored * p.rank,
      issuedMultiplyAdds: batchHeads * roundUp(tiles, 4) * roundUp(scored, 8) * p.rank,
    };
  },
};
