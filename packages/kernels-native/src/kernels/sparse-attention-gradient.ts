// sparse-attention-gradient: sums of groups, queries, the selection by block, groups, keys; see
// ../../native/sparse-gradient.hpp and ../../native/sparse-query-gradients.hpp.

import { ceilDivide, type SparseAttentionGradientProblem } from '@flashmla/tensor';
import { type Kernel, piecesBytes, roundUp, type Step } from '../plan.ts';
import { argumentWords, paddedDim, passes, refusesHeadDim, rowPieces, TILE } from './attention.ts';
import { gradientWords } from './dense-attention-gradient.ts';

/** Of a task: groups, keys (in whole blocks, one at least), and queries at a time, or more if a tile has more. */
const GROUPS = 4;
const TASK_KEYS = 16;
const DEPTH = 256;

export const sparseAttentionGradient: Kernel<SparseAttentionGradientProblem> = {
  refuses: refusesHeadDim,
  plan(p) {
    const dim = paddedDim(p.headDim);
    const groups = p.residualGroup > 0 ? ceilDivide(p.keys, p.residualGroup) : 0;
    const groupRows = roundUp(groups, TILE);
    const blocks = ceilDivide(p.keys, p.blockKeys);
    const tiles = ceilDivide(p.queries, p.tileQueries);
    const slots = Math.min(p.slots, blocks);
    const columns = slots * p.blockKeys;
    const lists = p.tileQueries === 1;
    const tileWidth = lists ? 1 : roundUp(p.tileQueries, TILE);
    const chunkQueries = lists ? TILE : p.tileQueries;
    const chunkWidth = roundUp(chunkQueries, TILE);
    const chunks = ceilDivide(p.queries, chunkQueries);
    /** Bytes of each buffer for one head. */
    const headBuffers = {
      counts: 4 * groupRows,
      keySums: 4 * groupRows * dim,
      valueSums: 4 * groupRows * dim,
      weights: 8 * tiles * columns * tileWidth,
      groupWeights: 8 * chunks * groupRows * chunkWidth,
      lists: 4 * (blocks + 1 + tiles * slots),
      groupGradients: 8 * groupRows * dim,
    };
    const headBytes = Object.values(headBuffers).reduce((sum, bytes) => sum + bytes, 0);
    const all = passes(p, headBytes);
    const noneForward = { keyRows: 0, groups: 0, groupRows: 0, values: false, products: 'wide' } as const;
    const steps = all.flatMap(({ first, heads }): Step[] => {
      const words = [
        ...gradientWords,
        ...Object.keys(headBuffers),
        ...[groups, groupRows],
        ...argumentWords(p, p, noneForward, first),
      ];
      const step = (kernel: string, headTasks: number): Step => ({
        kernel,
        tasks: heads * headTasks,
        arguments: words,
      });
      return [
        ...(groups > 0 ? [step('sparseGroupSums', groupRows)] : []),
        step(lists ? 'sparseListGradient' : 'sparseTileGradient', chunks),
        step('sparseBlockLists', 1),
        ...(groups > 0 ? [step('sparseGroupGradient', ceilDivide(groups, GROUPS))] : []),
        step('sparseKeyGradient', ceilDivide(blocks, Math.max(1, Math.floor(TASK_KEYS / p.blockKeys)))),
      ];
    });
    const most = Math.max(...all.map(({ heads }) => heads));
    const buffers = Object.entries(headBuffers).map(([name, bytes]) => [name, most * bytes] as const);
    const depth = Math.max(DEPTH, p.tileQueries);
    const chunkPieces = [
      ...Array.from({ length: 5 }, () => 4 * chunkWidth * dim),
      ...Array.from({ length: 3 }, () => 4 * chunkWidth),
    ];
    const pairs = p.batch * p.heads * p.queries;
    return {
      steps,
      buffers: Object.fromEntries(buffers.filter(([, bytes]) => bytes > 0)),
      threadBytes: Math.max(
        lists
          ? piecesBytes(...chunkPieces, 4 * (slots + 1), 4 * groupRows * TILE, ...rowPieces(p, columns))
          : piecesBytes(
              ...chunkPieces,
              ...[4 * (slots + 1), 4 * columns, 4 * groupRows * tileWidth],
              ...[4 * columns * dim, 4 * columns * dim],
            ),
        piecesBytes(4 * (slots + 1), 4 * blocks),
        piecesBytes(...rowPieces(p, chunkQueries)),
        piecesBytes(
          ...[...rowPieces(p, depth), ...rowPieces(p, depth)],
          ...[4 * p.blockKeys * depth, 4 * p.blockKeys * depth],
          ...[4 * p.blockKeys * dim, 4 * p.blockKeys * dim],
        ),
      ),
      usefulMultiplyAdds: 5 * pairs * (Math.min(p.keys, columns) + groups) * p.headDim,
      issuedMultiplyAdds: p.batch * p.heads * tiles * tileWidth * (columns + groupRows) * (2 * p.headDim + 3 * dim),
    };
  },
};
