// activation; see ../../assembly/activation.ts.

import type { ActivationProblem } from '@flashmla/tensor';
import type { Kernel } from '../plan.ts';
import { activationCode } from './activation-code.ts';
import { elementwise } from './elements.ts';

export const activation: Kernel<ActivationProblem> = {
  plan: ({ elements, activation: name }) =>
    elementwise('activation', elements, ['input', 'output', elements, activationCode(name)]),
};
