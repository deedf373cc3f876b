// embedding-gradient: table by table; see ../../native/embedding-gradient.hpp.

import { ceilDivide, type EmbeddingGradientProblem } from '@flashmla/tensor';
import type { Kernel, Step } from '../plan.ts';

/** Tasks of a table at most: each looks through all ids. */
const TASKS = 64;
/** Columns of a task of a table that has fewer rows than that. */
const COLUMNS = 64;

export const embeddingGradient: Kernel<EmbeddingGradientProblem> = {
  plan({ rows, modelDim, vocabulary, positions, types }) {
    const sumRows = (ids: string, gradient: string, tableRows: number): Step => {
      const taskRows = ceilDivide(tableRows, TASKS);
      const taskColumns = tableRows < TASKS ? COLUMNS : modelDim;
      return {
        kernel: 'embeddingGradient',
        tasks: ceilDivide(tableRows, taskRows) * ceilDivide(modelDim, taskColumns),
        arguments: [ids, 'outputGradient', gradient, rows, modelDim, tableRows, taskRows, taskColumns],
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
