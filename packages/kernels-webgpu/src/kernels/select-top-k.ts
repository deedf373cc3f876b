// select-top-k: mean features of tiles and blocks, then a workgroup a tile; two levels are two rounds.

import { ceilDivide, type SelectTopKProblem } from '@flashmla/tensor';
import type { Kernel, Step } from '../plan.ts';

/** Scores that workgroup memory keeps: 8 KiB. */
const mostCached = 2048;
/** Registers that a thread may spend on the features of its tile. */
const maxRank = 256;

export const selectTopK: Kernel<SelectTopKProblem> = {
  refuses: ({ rank }) =>
    rank > maxRank ? { reason: `rank ${rank} is above ${maxRank}`, advice: 'use a smaller gate space' } : undefined,

  plan(p) {
    const { batch, heads, queries, keys, rank, tileQueries, blockKeys, slots, mask } = p;
    const batchHeads = batch * heads;
    const tiles = ceilDivide(queries, tileQueries);
    const blocks = ceilDivide(keys, blockKeys);
    const groups = p.coarseBlocks > 0 ? ceilDivide(blocks, p.coarseBlocks) : 0;
    const forced = p.forceFirst > 0 || p.forceDiagonal > 0;
    const candidates = groups > 0 && !forced ? p.coarseSlots * p.coarseBlocks : blocks;
    const featureBytes = (pieces: number) => 4 * batchHeads * pieces * (rank + 1);

    const features = (of: 'query' | 'key', size: number, to: string): Step => {
      const tokens = of === 'query' ? queries : keys;
      const pieces = ceilDivide(tokens, size);
      const ordered = of === 'query' ? p.queryOrder : p.keyOrder;
      return {
        shader: 'mean-features',
        constants: { RANK: rank },
        params: [batch, heads, tokens, size, pieces, Number(mask), Number(ordered)],
        bindings: [of, `${of}Mask`, `${of}Order`, to],
        workgroups: ceilDivide(batchHeads * pieces * (rank + 1), 64),
      };
    };
    const round = (own: {
      blocks: number;
      blockKeys: number;
      candidates: number;
      wanted: number;
      from: string;
      /** The lists of the level above; '' for the first one. */
      above: string;
      to: string;
      level: readonly number[];
      headSlots: boolean;
    }): Step => ({
      shader: 'select-top-k',
      constants: { RANK: rank, CACHE: own.candidates <= mostCached ? own.candidates : 0 },
      params: [
        ...[batchHeads, heads, tiles, own.blocks, own.candidates, own.wanted, tileQueries, own.blockKeys],
        ...[queries, keys, Number(p.causal), ...own.level, Number(own.headSlots)],
      ],
      bindings: ['tileFeatures', own.from, 'relativeBias', own.above, own.to, 'headSlots'],
      workgroups: own.wanted > 0 ? batchHeads * tiles : 0,
    });

    const noLevel = [0, 0, -1, 0, 0];
    const level = [p.forceFirst, p.forceDiagonal, p.biasSpan, p.coarseBlocks, p.coarseSlots];
    const coarse = { blocks: groups, blockKeys: blockKeys * p.coarseBlocks, candidates: groups, wanted: p.coarseSlots };
    const scored = groups + (groups > 0 ? Math.min(blocks, p.coarseSlots * p.coarseBlocks) : blocks);
    return {
      steps: [
        features('query', tileQueries, 'tileFeatures'),
        features('key', blockKeys, 'blockFeatures'),
        ...(groups > 0
          ? [
              features('key', blockKeys * p.coarseBlocks, 'groupFeatures'),
              round({
                ...coarse,
                ...{ from: 'groupFeatures', above: '', to: 'coarseLists', level: noLevel, headSlots: false },
              }),
            ]
          : []),
        round({
          ...{ blocks, blockKeys, candidates, wanted: slots },
          ...{ from: 'blockFeatures', above: 'coarseLists', to: 'indices', level, headSlots: p.headSlots },
        }),
      ],
      buffers: {
        tileFeatures: featureBytes(tiles),
        blockFeatures: featureBytes(blocks),
        ...(groups > 0 && {
          groupFeatures: featureBytes(groups),
          coarseLists: 4 * batchHeads * tiles * p.coarseSlots,
        }),
      },
      usefulMultiplyAdds: batchHeads * tiles * scored * rank,
      issuedMultiplyAdds: batchHeads * tiles * (groups + candidates) * rank * (candidates <= mostCached ? 1 : 5),
    };
  },
};
