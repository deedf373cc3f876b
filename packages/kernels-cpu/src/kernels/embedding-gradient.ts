// embedding-gradient: table by table; see ../../assembly/embedding-gradient.ts.

import { ceilDivide, type EmbeddingGradientProblem } from '@flashmla/tensor';
import type { Kernel, Step } from '../plan.ts';

/** Tasks of a table at most: each looks through all ids. */
const TASKS = 64;

export const embeddingGradient: Kernel<EmbeddingGradientProblem> = {
  plan({ rows, modelDim, vocabulary, positions, types }) {
    const sumRows = (ids: string, gradient: string, tableRows: number): Step => {
      const taskRows = ceilDivide(tableRows, TASKS);
      return {
        kernel: 'embeddingGradient',
        tasks: ceilDivide(tableRows, taskRows),
        arguments: [ids, 'outputGradient', gradient, rows, modelDim, tableRows, taskRows],
      };
    };
    return {
      steps: [
        sumRows('tokenIds', 'wordGradient', vocabulary),
        ...(positions > 0 ? [sumRows('positionIds', 'positionGradient', positions)] : []),
        ...(types > 0 ? [sumRows('typeIds', 'typeGradient', types)] : []),
      ],
      buffers: {},
      threadBytes: 0,
      usefulMultiplyAdds: 0,
      issuedMultiplyAdds: 0,
    };
  },
};
