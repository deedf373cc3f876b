// activation-gradient; see ../../assembly/activation.ts.

import type { ActivationGradientProblem } from '@flashmla/tensor';
import type { Kernel } from '../plan.ts';
import { activationCode } from './activation-code.ts';
import { elementwise } from './elements.ts';

export const activationGradient: Kernel<ActivationGradientProblem> = {
  plan({ elements, activation }) {
    const words = ['input', 'outputGradient', 'inputGradient', elements, activationCode(activation)];
    return elementwise('activationGradient', elements, words);
  },
};
