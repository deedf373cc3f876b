// The op kernels of this backend, by the op's name.

import { type OpName, oneVariant, type Problem, type ProblemOf, type Refusal, refusesDType } from '@flashmla/tensor';
import { type CpuPlan, type Kernel, type PlanOptions, scratchBytes } from '../plan.ts';
import { activation } from './activation.ts';
import { activationGradient } from './activation-gradient.ts';
import { adamW } from './adam-w.ts';
import { add } from './add.ts';
import { blockPool } from './block-pool.ts';
import { cast } from './cast.ts';
import { contentOrder } from './content-order.ts';
import { crossEntropy } from './cross-entropy.ts';
import { denseAttention } from './dense-attention.ts';
import { denseAttentionGradient } from './dense-attention-gradient.ts';
import { dropout } from './dropout.ts';
import { embedding } from './embedding.ts';
import { embeddingGradient } from './embedding-gradient.ts';
import { gateProjection } from './gate-projection.ts';
import { layerNorm } from './layer-norm.ts';
import { layerNormGradient } from './layer-norm-gradient.ts';
import { linear } from './linear.ts';
import { linearGradient } from './linear-gradient.ts';
import { selectSlots } from './select-slots.ts';
import { selectTopK } from './select-top-k.ts';
import { sparseAttention } from './sparse-attention.ts';
import { sparseAttentionGradient } from './sparse-attention-gradient.ts';
import { sumOfSquares } from './sum-of-squares.ts';

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
  'linear-gradient': linearGradient,
  'layer-norm-gradient': layerNormGradient,
  'dense-attention-gradient': denseAttentionGradient,
  'sparse-attention-gradient': sparseAttentionGradient,
  'cross-entropy': crossEntropy,
  'embedding-gradient': embeddingGradient,
  activation,
  'activation-gradient': activationGradient,
  add,
  dropout,
  cast,
  'sum-of-squares': sumOfSquares,
  'adam-w': adamW,
};

export function refusal(problem: Problem): Refusal | undefined {
  return (
    refusesDType('WASM kernels', problem, ['float32', 'int8']) ??
    (kernels[problem.op] as Kernel<Problem>).refuses?.(problem)
  );
}

/** The ways to run a problem, the default first. */
export const variantsOf = (problem: Problem): readonly string[] =>
  (kernels[problem.op] as Kernel<Problem>).variants ?? oneVariant;

/** Steps, tasks, arguments and memory of a problem: pure, so that launches are tested without running them. */
export function planOf(problem: Problem, options: PlanOptions, variant: string = variantsOf(problem)[0]!): CpuPlan {
  const plan = (kernels[problem.op] as Kernel<Problem>).plan(problem, options, variant);
  return { ...plan, scratchBytes: scratchBytes(plan, options.threads) };
}
