// Reference of ops/adam-w.ts.

import type { AdamWProblem } from '../ops/adam-w.ts';
import type { Reference } from './arrays.ts';

export const adamW: Reference<AdamWProblem> = (p, inputs) => {
  const [learningRate, gradientScale, firstCorrection, secondCorrection] = inputs.schedule;
  const gradient = Float64Array.from(inputs.gradient, (g) => gradientScale * g);
  const firstMoment = gradient.map((g, i) => p.beta1 * inputs.firstMoment[i] + (1 - p.beta1) * g);
  const secondMoment = gradient.map((g, i) => p.beta2 * inputs.secondMoment[i] + (1 - p.beta2) * g * g);
  const parameter = Float64Array.from(inputs.parameter, (value, i) => {
    const step = (firstMoment[i] * firstCorrection) / (Math.sqrt(secondMoment[i] * secondCorrection) + p.epsilon);
    return value - learningRate * (step + p.weightDecay * value);
  });
  return { parameter, firstMoment, secondMoment };
};
