// What a linear layer may apply to its sums, and the derivatives.

import type { Activation } from '../ops/linear.ts';
import { complementaryErrorFunction } from './error-function.ts';

interface Differentiable {
  readonly value: (x: number) => number;
  readonly derivative: (x: number) => number;
}

/** Φ(x) = erfc(−x/√2) / 2 */
const normalCdf = (x: number) => complementaryErrorFunction(-x / Math.SQRT2) / 2;
const normalDensity = (x: number) => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
const geluTanhOf = (x: number) => Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3));

export const activations: Readonly<Record<Activation, Differentiable>> = {
  none: { value: (x) => x, derivative: () => 1 },
  gelu: {
    value: (x) => x * normalCdf(x),
    derivative: (x) => normalCdf(x) + x * normalDensity(x),
  },
  'gelu-tanh': {
    value: (x) => (x * (1 + geluTanhOf(x))) / 2,
    derivative(x) {
      const t = geluTanhOf(x);
      return (1 + t + x * (1 - t * t) * Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * x * x)) / 2;
    },
  },
  tanh: { value: Math.tanh, derivative: (x) => 1 - Math.tanh(x) ** 2 },
  relu: { value: (x) => Math.max(x, 0), derivative: (x) => Number(x > 0) },
};
