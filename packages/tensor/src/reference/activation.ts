// Reference of ops/activation.ts.

import type { ActivationProblem } from '../ops/activation.ts';
import { activations } from './activations.ts';
import type { Reference } from './arrays.ts';

export const activation: Reference<ActivationProblem> = (p, { input }) => ({
  output: Float64Array.from(input, activations[p.activation].value),
});
