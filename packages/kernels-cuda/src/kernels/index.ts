// The op kernels of this backend, by the op's name.

import {
  byteSize,
  elementCount,
  floatDTypes,
  type InferenceOpName,
  inputSpecs,
  oneVariant,
  outputSpecs,
  type Problem,
  type ProblemOf,
  type Refusal,
  refusesDType,
  refusesOp,
} from '@flashmla/tensor';
import type { CudaPlan, CudaTraits, Kernel } from '../plan.ts';
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

/** Of an op that `refusal` lets through. */
const kernelOf = ({ op }: Problem) => kernels[op as keyof typeof kernels] as Kernel<Problem>;

export function refusal(problem: Problem, traits: CudaTraits): Refusal | undefined {
  return (
    refusesOp('CUDA kernels', problem, kernels) ??
    refusesDType('CUDA kernels', problem, floatDTypes) ??
    kernelOf(problem).refuses?.(problem, traits) ??
    tooLarge(problem, traits)
  );
}

/** The ways to run a problem, the default first; one for an op that is refused. */
export function variantsOf(problem: Problem, traits: CudaTraits): readonly string[] {
  if (!(problem.op in kernels)) return oneVariant;
  return kernelOf(problem).variants?.(problem, traits) ?? oneVariant;
}

/** Steps, grids and memory of a problem: pure, so that launches are tested without a device. */
export function planOf(
  problem: Problem,
  traits: CudaTraits,
  variant: string = variantsOf(problem, traits)[0]!,
): CudaPlan {
  const plan = kernelOf(problem).plan(problem, traits, variant);
  return { ...plan, scratchBytes: Object.values(plan.buffers).reduce((sum, bytes) => sum + bytes, 0) };
}

/** Kernels count elements, blocks and strides in 32 bits. */
const mostElements = 2 ** 31 - 1;

function tooLarge(problem: Problem, traits: CudaTraits): Refusal | undefined {
  const tensors = Object.entries({ ...inputSpecs(problem), ...outputSpecs(problem) });
  const buffers = variantsOf(problem, traits).flatMap((variant) =>
    Object.entries(planOf(problem, traits, variant).buffers),
  );
  const large = [
    ...tensors.map(([name, { shape }]) => [name, elementCount(shape)] as const),
    ...buffers.map(([name, bytes]) => [name, bytes / byteSize('float32')] as const),
  ].find(([, elements]) => elements > mostElements);
  if (!large) return undefined;
  const [name, elements] = large;
  return {
    reason: `'${name}' has ${elements} elements, and kernels count up to ${mostElements}`,
    advice: 'run a smaller batch or a shorter input',
  };
}
