// select-top-k: block features, then the best blocks of each tile; see ../../native/select-top-k.hpp.

import { ceilDivide, type SelectTopKProblem } from '@flashmla/tensor';
import { type Kernel, piecesBytes, roundUp, type Step } from '../plan.ts';
import { tileColumns, tileRows } from './tile.ts';

/** topKTiles of the kernel. */
const TILES = 24;
/** candidateRoom of native/order-statistics.hpp, in bytes. */
const candidateBytes = (wanted: number) => 4 * (4 * wanted + 64);

export const selectTopK: Kernel<SelectTopKProblem> = {
  plan(p, traits) {
    const batchHeads = p.batch * p.heads;
    const columns = tileColumns(traits);
    const blocks = ceilDivide(p.keys, p.blockKeys);
    const groups = p.coarseBlocks > 0 ? ceilDivide(blocks, p.coarseBlocks) : 0;
    const tiles = ceilDivide(p.queries, p.tileQueries);
    const paddedBlocks = roundUp(blocks, columns);
    const paddedGroups = roundUp(groups, columns);
    const featureStep = (features: string, present: string, block: number, count: number): Step => ({
      kernel: 'featureBlocks',
      tasks: batchHeads * ceilDivide(count, columns),
      arguments: ['key', 'keyOrder', 'keyMask', features, present, p.heads, p.keys, p.rank, block, count],
    });
    const kept = candidateBytes(Math.min(p.slots, blocks));
    const keptGroups = candidateBytes(Math.min(p.coarseSlots, groups));
    const scored = groups > 0 ? groups + Math.min(blocks, p.coarseSlots * p.coarseBlocks) : blocks;
    return {
      steps: [
        featureStep('features', 'present', p.blockKeys, blocks),
        ...(groups > 0 ? [featureStep('coarse', 'coarsePresent', p.blockKeys * p.coarseBlocks, groups)] : []),
        {
          kernel: 'selectTopK',
          tasks: batchHeads * ceilDivide(tiles, TILES),
          arguments: [
            ...['query', 'queryOrder', 'queryMask', 'features', 'present', 'coarse', 'coarsePresent', 'relativeBias'],
            ...[
              'indices',
              'headSlots',
              p.heads,
              p.queries,
              p.keys,
              p.rank,
              p.tileQueries,
              p.blockKeys,
              blocks,
              p.slots,
            ],
            ...[Number(p.causal), p.forceFirst, p.forceDiagonal, p.biasSpan, p.coarseBlocks, groups, p.coarseSlots],
          ],
        },
      ],
      buffers: {
        features: 4 * batchHeads * paddedBlocks * p.rank,
        present: batchHeads * paddedBlocks,
        ...(groups > 0 && {
          coarse: 4 * batchHeads * paddedGroups * p.rank,
          coarsePresent: batchHeads * paddedGroups,
        }),
      },
      threadBytes: piecesBytes(
        ...[4 * tileRows(traits) * p.rank, 4 * tileRows(traits) * (groups > 0 ? paddedGroups : paddedBlocks)],
        ...(groups > 0 ? [4 * paddedBlocks, 4 * (blocks + 16), 4 * (blocks + 16)] : []),
        ...[kept, kept, keptGroups, keptGroups],
      ),
      usefulMultiplyAdds: batchHeads * tiles * scored * p.rank,
      issuedMultiplyAdds: batchHeads * tiles * roundUp(scored, columns) * p.rank,
    };
  },
};
