// select-top-k: mean features of tiles and blocks, then a block a tile; two levels are two rounds.

import { ceilDivide, type SelectTopKProblem } from '@flashmla/tensor';
import { type Kernel, launch, type Step } from '../plan.ts';

/** Scores that shared memory keeps: 32 KiB, so that several blocks fit a multiprocessor. */
const mostCached = 8192;

export const selectTopK: Kernel<SelectTopKProblem> = {
  plan(p) {
    const { batch, heads, queries, keys, rank, tileQueries, blockKeys, slots } = p;
    const rows = batch * heads;
    const tiles = ceilDivide(queries, tileQueries);
    const blocks = ceilDivide(keys, blockKeys);
    const groups = p.coarseBlocks > 0 ? ceilDivide(blocks, p.coarseBlocks) : 0;
    const forced = p.forceFirst > 0 || p.forceDiagonal > 0;
    const candidates = groups > 0 && !forced ? p.coarseSlots * p.coarseBlocks : blocks;
    const featureBytes = (pieces: number) => 4 * rows * pieces * (rank + 1);

    const features = (of: 'query' | 'key', size: number, to: string): Step[] => {
      const tokens = of === 'query' ? queries : keys;
      const pieces = ceilDivide(tokens, size);
      return launch('mean_features', ceilDivide(rows * pieces * (rank + 1), 128), 128, {
        bindings: [of, `${of}Mask`, `${of}Order`, to],
        words: [rows, heads, tokens, size, pieces, rank],
      });
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
      /** 'headSlots', or '' where all heads fill their lists. */
      headSlots: string;
    }): Step[] => {
      const cached = own.candidates <= mostCached;
      return launch('select_top_k', own.wanted > 0 ? rows * tiles : 0, 128, {
        bindings: ['tileFeatures', own.from, 'relativeBias', own.above, own.headSlots, own.to],
        words: [
          ...[heads, tiles, own.blocks, own.candidates, own.wanted, tileQueries, own.blockKeys, queries, keys, rank],
          ...[Number(p.causal), ...own.level, Number(cached)],
        ],
        sharedBytes: cached ? 4 * own.candidates : 0,
      });
    };

    const noLevel = [0, 0, -1, 0, 0];
    const level = [p.forceFirst, p.forceDiagonal, p.biasSpan, p.coarseBlocks, p.coarseSlots];
    const coarse = { blocks: groups, blockKeys: blockKeys * p.coarseBlocks, candidates: groups, wanted: p.coarseSlots };
    const scored = groups + (groups > 0 ? Math.min(blocks, p.coarseSlots * p.coarseBlocks) : blocks);
    return {
      steps: [
        ...features('query', tileQueries, 'tileFeatures'),
        ...features('key', blockKeys, 'blockFeatures'),
        ...(groups > 0
          ? [
              ...features('key', blockKeys * p.coarseBlocks, 'groupFeatures'),
              ...round({
                ...coarse,
                ...{ from: 'groupFeatures', above: '', to: 'coarseLists', level: noLevel, headSlots: '' },
              }),
            ]
          : []),
        ...round({
          ...{ blocks, blockKeys, candidates, wanted: slots },
          ...{ from: 'blockFeatures', above: 'coarseLists', to: 'indices', level, headSlots: 'headSlots' },
        }),
      ],
      buffers: {
        tileFeatures: featureBytes(tiles),
        blockFeatures: featureBytes(blocks),
        ...(groups > 0 && { groupFeatures: featureBytes(groups), coarseLists: 4 * rows * tiles * p.coarseSlots }),
      },
      usefulMultiplyAdds: rows * tiles * scored * rank,
      issuedMultiplyAdds: rows * tiles * (groups + candidates) * rank * (candidates <= mostCached ? 1 : 5),
    };
  },
};
