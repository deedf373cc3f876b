// The op kernels of this backend, by the op's name.

import type { OpName, Problem, ProblemOf } from '@flashmla/tensor';
import { type Kernel, makePlan, type Refusal, refusesSize, type WebGLPlan } from '../plan.ts';
import { linear } from './linear.ts';

const kernels: Partial<{ readonly [Name in OpName]: Kernel<ProblemOf<Name>> }> = {
  linear,
};

const kernelOf = ({ op }: Problem) => kernels[op] as Kernel<Problem>;

/** Why a problem can't be done where textures are at most `maxTextureSize` wide and high. */
export function refusal(problem: Problem, maxTextureSize: number): Refusal | undefined {
  return refusesSize(problem, kernelOf(problem).steps(problem), maxTextureSize);
}

/** Passes and memory of a problem: pure, so that they are tested without running anything. */
export function planOf(problem: Problem, { maxTextureSize }: { maxTextureSize: number }): WebGLPlan {
  return makePlan(problem, kernelOf(problem), maxTextureSize);
}
