// adam-w: one step of Adam with decoupled weight decay. Loshchilov & Hutter 2019, arXiv 1711.05101, algorithm 2; m and v are
// the first and second moment, t counts steps from 1:
//   g = gradientScale · gradient, m ← beta1·m + (1 − beta1)·g, v ← beta2·v + (1 − beta2)·g²,
//   parameter ← parameter − learningRate · (m̂ / (√v̂ + epsilon) + weightDecay · parameter)
// with m̂ = m / (1 − beta1ᵗ), v̂ = v / (1 − beta2ᵗ). What changes from step to step is a tensor, so that all steps are one
// program: schedule = [learningRate, gradientScale, 1 / (1 − beta1ᵗ), 1 / (1 − beta2ᵗ)].

import { check, checkDimensions, float32, type Op } from './op.ts';

export interface AdamWProblem {
  readonly op: 'adam-w';
  readonly elements: number;
  /** What is kept of the first moment in a step, in [0, 1). */
  readonly beta1: number;
  /** What is kept of the second moment in a step, in [0, 1). */
  readonly beta2: number;
  readonly epsilon: number;
  /** Times the learning rate: the share that a parameter loses in a step. */
  readonly weightDecay: number;
}

export const adamW: Op<AdamWProblem> = {
  validate(p) {
    checkDimensions(p, 1, 'elements');
    for (const name of ['beta1', 'beta2'] as const) {
      check(p, p[name] >= 0 && p[name] < 1, `${name} is ${p[name]}; expected a number from 0 to below 1.`);
    }
    for (const name of ['epsilon', 'weightDecay'] as const) {
      check(p, p[name] >= 0 && p[name] < Infinity, `${name} is ${p[name]}; expected a number ≥ 0.`);
    }
  },
  inputs: (p) => ({
    parameter: float32(p.elements),
    gradient: float32(p.elements),
    firstMoment: float32(p.elements),
    secondMoment: float32(p.elements),
    schedule: float32(4),
  }),
  outputs: (p) => ({
    parameter: float32(p.elements),
    firstMoment: float32(p.elements),
    secondMoment: float32(p.elements),
  }),
  inPlace: { parameter: ['parameter'], firstMoment: ['firstMoment'], secondMoment: ['secondMoment'] },
  flops: (p) => 16 * p.elements,
};
