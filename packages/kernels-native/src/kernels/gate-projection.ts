// gate-projection; see ../../native/gate-projection.hpp.

import { ceilDivide, type GateProjectionProblem, headsStrides } from '@flashmla/tensor';
import { type Kernel, piecesBytes, roundUp, suffixOf } from '../plan.ts';
import { tileColumns, tileRows } from './tile.ts';

const TOKENS = 256;

export const gateProjection: Kernel<GateProjectionProblem> = {
  plan(problem, traits) {
    const { batch, heads, tokens, features, rank, layout } = problem;
    const stride = headsStrides(layout, heads, tokens, features);
    const paddedRank = roundUp(rank, tileColumns(traits));
    return {
      steps: [
        {
          kernel: `gateProjection_${suffixOf(problem)}`,
          tasks: batch * heads * ceilDivide(tokens, TOKENS),
          arguments: [
            ...['input', 'map', 'output'],
            ...[heads, tokens, features, rank],
            ...[stride.batch, stride.head, stride.token],
          ],
        },
      ],
      buffers: {},
      threadBytes: piecesBytes(4 * features * paddedRank, 4 * tileRows(traits) * features),
      usefulMultiplyAdds: batch * heads * tokens * features * rank,
      issuedMultiplyAdds: batch * heads * tokens * features * paddedRank,
    };
  },
};
