// The op kernels of this backend, by the op's name.

import {
  byteSize,
  elementCount,
  floatDTypeOf,
  type InferenceOpName,
  inputSpecs,
  oneVariant,
  outputSpecs,
  type Problem,
  type ProblemOf,
  type Refusal,
  refusesDType,
  refusesOp,
  type TensorSpec,
} from '@flashmla/tensor';
import type { ElementDType, GpuPlan, GpuTraits, Kernel } from '../plan.ts';
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

export function refusal(problem: Problem, traits: GpuTraits): Refusal | undefined {
  const missing = refusesOp('WGSL shaders', problem, kernels);
  if (missing) return missing;
  const refusedDType = traits.features.has('shader-f16')
    ? refusesDType('WGSL shaders', problem, ['float32', 'float16'])
    : refusesDType("devices without the feature 'shader-f16'", problem);
  return refusedDType ?? kernelOf(problem).refuses?.(problem, traits) ?? tooLarge(problem, traits);
}

/** The ways to run a problem, the default first; one for an op that is refused. */
export function variantsOf(problem: Problem, traits: GpuTraits): readonly string[] {
  if (!(problem.op in kernels)) return oneVariant;
  return kernelOf(problem).variants?.(problem, traits) ?? oneVariant;
}

/** Steps, workgroups and memory of a problem: pure, so that launches are tested without a device. */
export function planOf(
  problem: Problem,
  traits: GpuTraits,
  variant: string = variantsOf(problem, traits)[0]!,
): GpuPlan {
  // `refusal` leaves no other.
  const dtype = floatDTypeOf(problem) as ElementDType;
  const plan = kernelOf(problem).plan(problem, traits, variant);
  const steps = plan.steps.map((step) => ({ ...step, dtype }));
  return { ...plan, steps, scratchBytes: Object.values(plan.buffers).reduce((sum, bytes) => sum + bytes, 0) };
}

/** A shader sees no more of a buffer than the device's limit. */
function tooLarge(problem: Problem, traits: GpuTraits): Refusal | undefined {
  const bytesOf = ({ shape, dtype }: TensorSpec) => elementCount(shape) * byteSize(dtype);
  const specs = Object.entries({ ...inputSpecs(problem), ...outputSpecs(problem) });
  const tensors = specs.map(([name, spec]) => [name, bytesOf(spec)] as const);
  const buffers = variantsOf(problem, traits).flatMap((variant) =>
    Object.entries(planOf(problem, traits, variant).buffers),
  );
  const most = traits.limits.maxStorageBufferBindingSize;
  const large = [...tensors, ...buffers].find(([, bytes]) => bytes > most);
  if (!large) return undefined;
  const [name, bytes] = large;
  return {
    reason: `'${name}' takes ${bytes} bytes, and this device binds at most ${most}`,
    advice: 'run a smaller batch or a shorter input',
  };
}
