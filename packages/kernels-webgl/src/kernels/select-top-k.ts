// select-top-k: means of tiles and blocks, a score for each pair of them, then the best of each row (ranked.ts). With two
// levels, groups are scored and ranked first, and blocks of groups that were not chosen are not scored.
//
// Memory: a texture of tiles × blocks for each head.

import { ceilDivide, type SelectTopKProblem } from '@flashmla/tensor';
import { type Kernel, NONE, type Step } from '../plan.ts';
import { shader } from '../shader.ts';
import selectedSource from '../shaders/ranked-selected.glsl';
import meansSource from '../shaders/select-top-k-means.glsl';
import scoresSource from '../shaders/select-top-k-scores.glsl';
import { listSteps, thresholdStep } from './ranked.ts';

const means = shader('select-top-k-means', meansSource);
const scores = shader('select-top-k-scores', selectedSource, scoresSource);

export const selectTopK: Kernel<SelectTopKProblem> = {
  steps(p) {
    const { batch, heads, queries, keys, rank, tileQueries, blockKeys, slots } = p;
    const tiles = ceilDivide(queries, tileQueries);
    const blocks = ceilDivide(keys, blockKeys);
    const groups = p.coarseBlocks > 0 ? ceilDivide(blocks, p.coarseBlocks) : 0;
    const rows = batch * heads * tiles;

    const meansOf = (of: 'query' | 'key', output: string, size: number, pieces: number): Step => ({
      shader: means,
      output,
      elements: batch * heads * pieces * (rank + 4),
      arguments: {
        x: of,
        mask: p.mask ? `${of}Mask` : NONE,
        hasMask: Number(p.mask),
        order: p[`${of}Order`] ? `${of}Order` : NONE,
        hasOrder: Number(p[`${of}Order`]),
        size,
        pieces,
        heads,
        tokens: of === 'query' ? queries : keys,
        rank,
      },
    });
    const common = {
      tileMeans: 'tile means',
      tiles,
      rank,
      heads,
      tileQueries,
      queries,
      keys,
      causal: Number(p.causal),
    };
    const scoreGroups: Step[] = [
      meansOf('key', 'group means', p.coarseBlocks * blockKeys, groups),
      {
        shader: scores,
        output: 'group scores',
        elements: rows * groups,
        arguments: {
          ...common,
          blockMeans: 'group means',
          blocks: groups,
          blockKeys: p.coarseBlocks * blockKeys,
          bias: NONE,
          biasSpan: -1,
          groupScores: NONE,
          groupLeast: NONE,
          coarseBlocks: 0,
          groups: 0,
          forceFirst: 0,
          forceDiagonal: 0,
        },
      },
      thresholdStep('group scores', 'group least', rows, groups, p.coarseSlots),
    ];
    return [
      meansOf('query', 'tile means', tileQueries, tiles),
      ...(groups > 0 ? scoreGroups : []),
      meansOf('key', 'block means', blockKeys, blocks),
      {
        shader: scores,
        output: 'scores',
        elements: rows * blocks,
        arguments: {
          ...common,
          blockMeans: 'block means',
          blocks,
          blockKeys,
          bias: p.biasSpan >= 0 ? 'relativeBias' : NONE,
          biasSpan: p.biasSpan,
          groupScores: groups > 0 ? 'group scores' : NONE,
          groupLeast: groups > 0 ? 'group least' : NONE,
          coarseBlocks: groups > 0 ? p.coarseBlocks : 0,
          groups,
          forceFirst: p.forceFirst,
          forceDiagonal: p.forceDiagonal,
        },
      },
      ...listSteps(
        ...(['scores', 'indices', rows, blocks, slots] as const),
        p.headSlots ? { headSlots: 'headSlots', heads, rowsOfHead: tiles } : undefined,
      ),
    ];
  },

  issuedMultiplyAdds({ batch, heads, queries, keys, rank, tileQueries, blockKeys, coarseBlocks }) {
    const blocks = ceilDivide(keys, blockKeys);
    const groups = coarseBlocks > 0 ? ceilDivide(blocks, coarseBlocks) : 0;
    const cut = queries + keys * (groups > 0 ? 2 : 1);
    return batch * heads * rank * (ceilDivide(queries, tileQueries) * (blocks + groups) + cut);
  },

  largestIndex: ({ queries, keys }) => Math.max(queries, keys),
};
