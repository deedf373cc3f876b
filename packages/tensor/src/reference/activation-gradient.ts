// Reference of ops/activation-gradient.ts.

import type { ActivationGradientProblem } from '../ops/activation-gradient.ts';
import { activations } from './activations.ts';
import type { Reference } from './arrays.ts';

export const activationGradient: Reference<ActivationGradientProblem> = (p, { input, outputGradient }) => {
  const { derivative } = activations[p.activation];
  return { inputGradient: Float64Array.from(outputGradient, (flowing, i) => flowing * derivative(input[i])) };
};
