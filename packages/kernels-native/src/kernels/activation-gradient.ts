// activation-gradient; see ../../native/activation.hpp.

import type { ActivationGradientProblem } from '@flashmla/tensor';
import type { Kernel } from '../plan.ts';
import { activationCode } from './activation-code.ts';
import { elementwise } from './elements.ts';

export const activationGradient: Kernel<ActivationGradientProblem> = {
  plan({ elements, activation }) {
    const words = [activationCode(activation), 'input', 'outputGradient', 'inputGradient', elements];
    return elementwise('activationGradient', elements, words);
  },
};
