// activation: output = activation(input), element by element: what `linear` can do at its end, for those who need what comes
// before it as well.

import type { Nonlinearity } from './linear.ts';
import { check, checkDimensions, float32, type Op } from './op.ts';

export interface ActivationProblem {
  readonly op: 'activation';
  readonly elements: number;
  readonly activation: Nonlinearity;
}

const names: readonly Nonlinearity[] = ['gelu', 'gelu-tanh', 'tanh', 'relu'];

/** Raises unless elements and activation make sense. */
export function checkActivation(p: Omit<ActivationProblem, 'op'> & { op: string }): void {
  checkDimensions(p, 1, 'elements');
  check(p, names.includes(p.activation), `activation is '${p.activation}'; expected one of ${names.join(', ')}.`);
}

export const activation: Op<ActivationProblem> = {
  validate: checkActivation,
  inputs: (p) => ({ input: float32(p.elements) }),
  outputs: (p) => ({ output: float32(p.elements) }),
  inPlace: { output: ['input'] },
  flops: (p) => p.elements,
};
