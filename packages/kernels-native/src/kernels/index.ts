// The op kernels of this backend, by the op's name.

import { type OpName, type Problem, type ProblemOf, type Refusal, refusesDType } from '@flashmla/tensor';
import { type Kernel, type NativePlan, nativeDTypes, scratchBytes, type Traits } from '../plan.ts';
import { blockPool } from './block-pool.ts';
import { contentOrder } from './content-order.ts';
import { denseAttention } from './dense-attention.ts';
import { embedding } from './embedding.ts';
import { gateProjection } from './gate-projection.ts';
import { layerNorm } from './layer-norm.ts';
import { linear } from './linear.ts';
import { selectSlots } from './select-slots.ts';
import { selectTopK } from './select-top-k.ts';
import { sparseAttention } from './sparse-attention.ts';

const kernels: { readonly [Name in OpName]: Kernel<ProblemOf<Name>> } = {
  linear,
  'layer-norm': layerNorm,
  embedding,
  'dense-attention': denseAttention,
  'sparse-attention': sparseAttention,
  'gate-projection': gateProjection,
  'content-order': contentOrder,
  'select-top-k': selectTopK,
  'select-slots': selectSlots,
  'block-pool': blockPool,
};

export function refusal(problem: Problem): Refusal | undefined {
  return (
    refusesDType('native kernels', problem, [...nativeDTypes, 'int8']) ??
    (kernels[problem.op] as Kernel<Problem>).refuses?.(problem)
  );
}

/**
 * Steps, tasks, arguments and memory of a problem: pure, so that launches are tested without running them.
 *
 * @param packedWeight whether `weight` was packed when it was uploaded (purpose 'linear-weight')
 */
export function planOf(problem: Problem, traits: Traits, packedWeight: boolean): NativePlan {
  const plan = (kernels[problem.op] as Kernel<Problem>).plan(problem, traits, packedWeight);
  return { ...plan, scratchBytes: scratchBytes(plan, traits.threads) };
}
