// The op kernels of this backend, by the op's name.

import {
  type InferenceOpName,
  type Problem,
  type ProblemOf,
  type Refusal,
  refusesDType,
  refusesOp,
} from '@flashmla/tensor';
import { type Kernel, makePlan, refusesSize, type WebGLPlan } from '../plan.ts';
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

const kernels: { readonly [Name in InferenceOpName]: Kernel<ProblemOf<Name>> } = {
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

const kernelOf = ({ op }: Problem) => kernels[op as keyof typeof kernels] as Kernel<Problem>;

/** Why a problem can't be done where textures are at most `maxTextureSize` wide and high. */
export function refusal(problem: Problem, maxTextureSize: number): Refusal | undefined {
  return (
    refusesOp('WebGL shaders', problem, kernels) ??
    refusesDType('WebGL shaders', problem) ??
    refusesSize(problem, kernelOf(problem), maxTextureSize)
  );
}

/** Passes and memory of a problem: pure, so that they are tested without running anything. */
export function planOf(problem: Problem, { maxTextureSize }: { maxTextureSize: number }): WebGLPlan {
  return makePlan(problem, kernelOf(problem), maxTextureSize);
}
