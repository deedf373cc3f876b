// The four linear maps of an attention layer: checked, initialised, brought to the device, applied.

import {
  type Backend,
  checkFloats,
  checkTensor,
  type DeviceTensor,
  elementCount,
  FlashMLAError,
  formatShape,
  type HostTensor,
  type ProblemOf,
  type Restore,
  randomSource,
  randomUniform,
  type Tensor,
  tensor,
} from '@flashmla/tensor';
import type { AttentionProjections, Projection } from './module.ts';
import type { Scope } from './scope.ts';

const names = ['query', 'key', 'value', 'output'] as const;

/** A projection whose tensors lie on the device. */
export interface DeviceProjection {
  readonly weight: DeviceTensor;
  readonly bias?: DeviceTensor;
}

export type DeviceProjections = Readonly<Record<(typeof names)[number], DeviceProjection>>;

/** Raises FlashMLAError 'invalid-argument' unless all four map dim to dim features, in one precision. */
export function checkProjections(projections: AttentionProjections, owner: string, dim: number): void {
  const parts: Record<string, Tensor> = {};
  for (const name of names) {
    const projection: Projection | undefined = projections[name];
    if (!projection) {
      throw new FlashMLAError(
        'invalid-argument',
        `[attention] ${owner} was given projections without ${name}; expected { weight, bias? } for each of ${names.join(', ')}.`,
      );
    }
    checkPart(projection.weight, `${name}.weight`, [dim, dim], owner);
    parts[`${name}.weight`] = projection.weight;
    if (!projection.bias) continue;
    checkPart(projection.bias, `${name}.bias`, [dim], owner);
    parts[`${name}.bias`] = projection.bias;
  }
  checkFloats(`[attention] ${owner}:`, parts);
}

function checkPart(given: Tensor, name: string, expected: readonly number[], owner: string): void {
  checkTensor('[attention]', name, given);
  if (formatShape(given.shape) === formatShape(expected)) return;
  throw new FlashMLAError(
    'invalid-argument',
    `[attention] ${owner} was given ${name} ${formatShape(given.shape)}; expected ` +
      `${formatShape(expected)}. Make the module with the layer's own dim and heads.`,
  );
}

/**
 * Random projections as torch.nn.MultiheadAttention starts with: query, key and value Xavier uniform over the stacked
 * [3·dim, dim] matrix (Glorot & Bengio 2010), output uniform in ±1/√dim, biases zero.
 *
 * @param seed equal seeds give equal weights; the numbers are not torch's
 */
export function initialProjections(dim: number, seed: number): AttentionProjections {
  const random = randomSource(seed);
  const projection = (bound: number): Projection => ({
    weight: tensor(randomUniform(dim * dim, random, bound), [dim, dim]),
    bias: tensor(new Float32Array(dim), [dim]),
  });
  const xavier = Math.sqrt(6 / (dim + 3 * dim));
  return {
    query: projection(xavier),
    key: projection(xavier),
    value: projection(xavier),
    output: projection(1 / Math.sqrt(dim)),
  };
}

/**
 * The projections on the scope's device; what had to be uploaded belongs to the scope.
 *
 * @param given gives the same again when the device was lost
 */
export function onDevice(given: () => AttentionProjections, scope: Scope): DeviceProjections {
  const projections = given();
  const place = (name: (typeof names)[number]): DeviceProjection => {
    const { weight, bias } = projections[name];
    return {
      weight: scope.device(weight, { purpose: 'linear-weight', restore: restoreOf(given, name, 'weight') }),
      ...(bias && { bias: scope.device(bias, { restore: restoreOf(given, name, 'bias') }) }),
    };
  };
  return { query: place('query'), key: place('key'), value: place('value'), output: place('output') };
}

/** Holds on to `given` alone: not to tensors, which would then be in memory twice. */
function restoreOf(given: () => AttentionProjections, name: (typeof names)[number], part: keyof Projection): Restore {
  // Only what was uploaded is restored, and that came from the host.
  return () => given()[name][part] as HostTensor;
}

/** Dispatches input · weightᵀ + bias into a new tensor of `shape`, of as many rows as `input`, which the caller owns. */
export async function project(
  backend: Backend,
  input: DeviceTensor,
  { weight, bias }: DeviceProjection,
  shape: readonly number[],
  signal: AbortSignal | undefined,
): Promise<DeviceTensor> {
  const [outFeatures, inFeatures] = weight.shape as [number, number];
  const rows = elementCount(input.shape) / inFeatures;
  const dtype = checkFloats('[attention]', { weight });
  const problem: ProblemOf<'linear'> = {
    op: 'linear',
    rows,
    inFeatures,
    outFeatures,
    bias: bias !== undefined,
    activation: 'none',
    dtype,
    ...(weight.quantization && { quantization: weight.quantization }),
  };
  const program = await backend.prepare(problem);
  const output = backend.allocate(shape, dtype);
  try {
    backend.dispatch(program, { input, weight, ...(bias && { bias }) }, { output }, { signal });
    return output;
  } catch (error) {
    output.dispose();
    throw error;
  }
}
