// sparse-attention-gradient: sums of groups, queries, panels, groups, the selection by key, keys; see
// ../../assembly/sparse-attention-gradient.ts.

import { ceilDivide, type SparseAttentionGradientProblem } from '@flashmla/tensor';
import { type Kernel, roundUp, type Step } from '../plan.ts';
import { argumentWords, paddedHeadDim, passes, refusesHeadDim } from './attention.ts';
import { gradientWords } from './dense-attention-gradient.ts';

const POSITIONS = 16;
const PACKED = 64;
const TASK_KEYS = 16;
const CHUNK = 256;

export const sparseAttentionGradient: Kernel<SparseAttentionGradientProblem> = {
  refuses: refusesHeadDim,
  plan(p) {
    const { headDim, queries, blockKeys } = p;
    const groups = p.residualGroup > 0 ? ceilDivide(p.keys, p.residualGroup) : 0;
    const groupRows = roundUp(groups, 4);
    const blocks = ceilDivide(p.keys, blockKeys);
    const tiles = ceilDivide(queries, p.tileQueries);
    const slots = Math.min(p.slots, blocks);
    const columns = roundUp(slots * blockKeys, 4);
    const wideDim = paddedHeadDim(headDim);
    const inTiles = p.tileQueries > 1;
    const keysInTiles = inTiles && blockKeys % 4 === 0;
    const panelBytes = keysInTiles || groups > 0 ? 4 * queries * wideDim : 0;
    /** Bytes of each buffer for one head. */
    const headBuffers = {
      groupCounts: 8 * groupRows,
      groupSums: 8 * groups * headDim,
      weights: 8 * queries * columns,
      groupWeights: 8 * queries * groupRows,
      lists: 4 * (blocks + 1 + tiles * slots),
      groupGradients: 8 * groupRows * wideDim,
      queryPanels: panelBytes,
      flowingPanels: panelBytes,
    };
    const headBytes = Object.values(headBuffers).reduce((sum, bytes) => sum + bytes, 0);
    const all = passes(p, headBytes);
    const steps = all.flatMap(({ first, heads }): Step[] => {
      const words = [
        ...argumentWords(p, p, { keyRows: 0, unit: 4, groups, groupRows }, first),
        ...gradientWords,
        ...['groupSums', 'weights', 'groupWeights', 'lists', 'groupGradients', 'queryPanels', 'flowingPanels'],
      ];
      const step = (kernel: Step['kernel'], headTasks: number): Step[] =>
        headTasks > 0 ? [{ kernel, tasks: heads * headTasks, arguments: words }] : [];
      return [
        ...step('sparseGradientSums', groups),
        ...(inTiles ? step('sparseGradientTiles', tiles) : step('sparseGradientRows', ceilDivide(queries, POSITIONS))),
        ...step('sparseGradientPanels', panelBytes > 0 ? ceilDivide(queries, PACKED) : 0),
        ...step('sparseGradientGroups', groups > 0 ? wideDim / 8 : 0),
        ...step('sparseGradientLists', 1),
        ...step(
          keysInTiles ? 'sparseGradientTileKeys' : 'sparseGradientRowKeys',
          ceilDivide(blocks, Math.max(1, Math.floor(TASK_KEYS / blockKeys))),
        ),
      ];
    });
    const most = Math.max(...all.map(({ heads }) => heads));
    const buffers = Object.entries(headBuffers).map(([name, bytes]) => [name, most * bytes] as const);
    const multiplyAdds = 5 * p.batch * p.heads * queries * (Math.min(p.keys, slots * blockKeys) + groups) * headDim;
    const gathered = columns + groupRows;
    const wordsOf = {
      tiles: 32 * headDim + 16 * wideDim + 48 + gathered * (34 + 2 * headDim + wideDim) + columns + groupRows + slots,
      rows: 6 * columns + 3 * groupRows + slots,
      lists: slots + blocks,
      keys: (keysInTiles ? 0 : 4 * CHUNK) + 2 * blockKeys * wideDim,
    };
    return {
      steps,
      buffers: Object.fromEntries(buffers.filter(([, bytes]) => bytes > 0)),
      threadBytes: 4 * Math.max(inTiles ? wordsOf.tiles : wordsOf.rows, wordsOf.lists, wordsOf.keys),
      usefulMultiplyAdds: multiplyAdds,
      issuedMultiplyAdds: multiplyAdds,
    };
  },
};
