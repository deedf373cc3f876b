// dropout; see ../../native/dropout.hpp.

import { type DropoutProblem, dropoutThreshold } from '@flashmla/tensor';
import type { Kernel } from '../plan.ts';
import { elementwise } from './elements.ts';

export const dropout: Kernel<DropoutProblem> = {
  plan({ elements, rate }) {
    const words = ['input', 'seed', 'output', elements, dropoutThreshold(rate), 1 / (1 - rate)];
    return elementwise('dropout', elements, words);
  },
};
