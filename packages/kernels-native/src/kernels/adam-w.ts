// adam-w; see ../../native/adam-w.hpp.

import type { AdamWProblem } from '@flashmla/tensor';
import { type Kernel, updated } from '../plan.ts';
import { elementwise } from './elements.ts';

export const adamW: Kernel<AdamWProblem> = {
  plan({ elements, beta1, beta2, epsilon, weightDecay }) {
    const words = [
      ...['parameter', 'gradient', 'firstMoment', 'secondMoment', 'schedule'],
      ...['parameter', 'firstMoment', 'secondMoment'].map(updated),
      ...[elements, beta1, 1 - beta1, beta2, 1 - beta2, epsilon, weightDecay],
    ];
    return elementwise('adamW', elements, words, 4 * elements);
  },
};
