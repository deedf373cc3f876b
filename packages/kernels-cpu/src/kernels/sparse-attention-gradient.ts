// sparse-attention-gradient: sums of groups, queries, the selection by key, groups, keys; see
// ../../assembly/sparse-attention-gradient.ts.

import { ceilDivide, type SparseAttentionGradientProblem } from '@flashmla/tensor';
import { type Kernel, roundUp, type Step } from '../plan.ts';
import { argumentWords, passes, refusesHeadDim } from './attention.ts';
import { gradientWords } from './dense-attention-gradient.ts';

const POSITIONS = 16;
const TASK_KEYS = 16;
const CHUNK = 256;

export const sparseAttentionGradient: Kernel<SparseAttentionGradientProblem> = {
  refuses: refusesHeadDim,
  plan(p) {
    const groups = p.residualGroup > 0 ? ceilDivide(p.keys, p.residualGroup) : 0;
    const groupRows = roundUp(groups, 4);
    const blocks = ceilDivide(p.keys, p.blockKeys);
    const tiles = ceilDivide(p.queries, p.tileQueries);
    const slots = Math.min(p.slots, blocks);
    const columns = slots * p.blockKeys;
    /** Bytes of each buffer for one head. */
    const headBuffers = {
      groupCounts: 8 * groupRows,
      groupSums: 8 * groups * p.headDim,
      weights: 8 * p.queries * columns,
      groupWeights: 8 * p.queries * groupRows,
      lists: 4 * (blocks + 1 + tiles * slots),
      groupGradients: 8 * groups * p.headDim,
    };
    const headBytes = Object.values(headBuffers).reduce((sum, bytes) => sum + bytes, 0);
    const all = passes(p, headBytes);
    const steps = all.flatMap(({ first, heads }): Step[] => {
      const words = [
        ...argumentWords(p, p, { keyRows: 0, unit: 4, groups, groupRows }, first),
        ...gradientWords,
        ...['groupSums', 'weights', 'groupWeights', 'lists', 'groupGradients'],
      ];
      const step = (kernel: Step['kernel'], headTasks: number): Step[] =>
        headTasks > 0 ? [{ kernel, tasks: heads * headTasks, arguments: words }] : [];
      return [
        ...step('sparseGradientSums', groups),
        ...step('sparseGradientQueries', ceilDivide(p.queries, POSITIONS)),
        ...step('sparseGradientLists', 1),
        ...step('sparseGradientGroups', groups),
        ...step('sparseGradientKeys', ceilDivide(blocks, Math.max(1, Math.floor(TASK_KEYS / p.blockKeys)))),
      ];
    });
    const most = Math.max(...all.map(({ heads }) => heads));
    const buffers = Object.entries(headBuffers).map(([name, bytes]) => [name, most * bytes] as const);
    const multiplyAdds =
      5 * p.batch * p.heads * p.queries * (Math.min(p.keys, slots * p.blockKeys) + groups) * p.headDim;
    return {
      steps,
      buffers: Object.fromEntries(buffers.filter(([, bytes]) => bytes > 0)),
      threadBytes: Math.max(
        4 * (6 * roundUp(columns, 4) + 3 * groupRows + slots),
        4 * (slots + blocks),
        4 * (4 * CHUNK + 2 * p.blockKeys * p.headDim),
      ),
      usefulMultiplyAdds: multiplyAdds,
      issuedMultiplyAdds: multiplyAdds,
    };
  },
};
