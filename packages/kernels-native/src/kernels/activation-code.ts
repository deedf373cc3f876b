// Activations as kernels know them: `Activation` of ../../native/linear.hpp.

import type { Activation } from '@flashmla/tensor';

const activations: readonly Activation[] = ['none', 'gelu', 'gelu-tanh', 'tanh', 'relu'];

/** The argument word that kernels know an activation by. */
export const activationCode = (activation: Activation): number => activations.indexOf(activation);
