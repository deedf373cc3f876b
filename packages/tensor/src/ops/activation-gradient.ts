// activation-gradient: inputGradient = outputGradient ∘ activation′(input), element by element; relu′(0) = 0.

import { type ActivationProblem, checkActivation } from './activation.ts';
import { float32, type Op } from './op.ts';

export interface ActivationGradientProblem extends Omit<ActivationProblem, 'op'> {
  readonly op: 'activation-gradient';
}

export const activationGradient: Op<ActivationGradientProblem> = {
  validate: checkActivation,
  inputs: (p) => ({ input: float32(p.elements), outputGradient: float32(p.elements) }),
  outputs: (p) => ({ inputGradient: float32(p.elements) }),
  inPlace: { inputGradient: ['outputGradient', 'input'] },
  flops: (p) => 2 * p.elements,
};
