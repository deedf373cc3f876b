// cross-entropy; see ../../native/cross-entropy.hpp.

import { type CrossEntropyProblem, ceilDivide } from '@flashmla/tensor';
import type { Kernel } from '../plan.ts';

const ROWS = 16;

export const crossEntropy: Kernel<CrossEntropyProblem> = {
  plan: ({ rows, classes, scale }) => ({
    steps: [
      {
        kernel: 'crossEntropy',
        tasks: ceilDivide(rows, ROWS),
        arguments: ['logits', 'labels', 'loss', 'logitsGradient', rows, classes, scale],
      },
    ],
    buffers: {},
    threadBytes: 0,
    usefulMultiplyAdds: rows * classes,
    issuedMultiplyAdds: rows * classes,
  }),
};
