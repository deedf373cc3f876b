// Plans and kernels as a backend, with nothing around them: each op runs on the shim when it is dispatched.

import {
  arrayOf,
  type Backend,
  byteSize,
  type DeviceInfo,
  DeviceTensor,
  type DType,
  elementCount,
  FlashMLAError,
  type HostTensor,
  type MemoryInfo,
  PreferredVariants,
  type PrepareOptions,
  type Problem,
  type Program,
  type Support,
  type Tensors,
  type TypedArray,
} from '@flashmla/tensor';
import { planOf, refusal, variantsOf } from '../../src/kernels/index.ts';
import type { CudaPlan, CudaTraits } from '../../src/plan.ts';
import { runPlan } from './run-plan.ts';
import { type Shim, shim } from './shim.ts';

class KernelTensor extends DeviceTensor {
  readonly backend: KernelBackend;
  readonly address: bigint;

  constructor(backend: KernelBackend, shape: readonly number[], dtype: DType) {
    super(shape, dtype);
    this.backend = backend;
    this.address = backend.shim.allocate(this.byteLength);
  }
}

class KernelBackend implements Backend {
  readonly name = 'cuda';
  readonly device: DeviceInfo = {
    description: 'CUDA kernels on the CPU',
    features: ['float16', 'bfloat16'],
    limits: {},
  };
  readonly shim: Shim = shim();
  readonly #traits: CudaTraits;
  readonly #variants = new PreferredVariants('[kernels-cuda]');
  #usedBytes = 0;

  constructor(traits: CudaTraits) {
    this.#traits = traits;
  }

  supports(problem: Problem): Support {
    const refused = refusal(problem, this.#traits);
    return refused ? { supported: false, ...refused } : { supported: true, ...planOf(problem, this.#traits) };
  }

  allocate(shape: readonly number[], dtype: DType): KernelTensor {
    this.#usedBytes += elementCount(shape) * byteSize(dtype);
    return new KernelTensor(this, shape, dtype);
  }

  upload({ shape, dtype, array }: HostTensor): KernelTensor {
    const uploaded = this.allocate(shape, dtype);
    this.shim.write(uploaded.address, new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
    return uploaded;
  }

  async read(source: DeviceTensor): Promise<TypedArray> {
    const array = new (arrayOf(source.dtype))(elementCount(source.shape)) as TypedArray;
    this.shim.read((source as KernelTensor).address, new Uint8Array(array.buffer));
    return array;
  }

  free(source: DeviceTensor): void {
    this.#usedBytes -= source.byteLength;
    this.shim.free((source as KernelTensor).address, source.byteLength);
  }

  memory(): MemoryInfo {
    return { usedBytes: this.#usedBytes, peakBytes: this.#usedBytes, limitBytes: Number.MAX_SAFE_INTEGER };
  }

  resetPeak(): void {}

  variants(problem: Problem): readonly string[] {
    return variantsOf(problem, this.#traits);
  }

  prefer(): void {}

  async prepare(problem: Problem, { variant }: PrepareOptions = {}): Promise<Program> {
    const refused = refusal(problem, this.#traits);
    if (refused) throw new FlashMLAError('unsupported', `[kernels-cuda] ${refused.reason}; ${refused.advice}.`);
    const chosen = this.#variants.choose(problem, this.variants(problem), variant);
    return { problem, plan: planOf(problem, this.#traits, chosen) };
  }

  dispatch({ plan }: Program, inputs: Tensors, outputs: Tensors): void {
    const addresses = new Map<string, bigint>();
    for (const [name, given] of Object.entries({ ...inputs, ...outputs })) {
      addresses.set(name, (given as KernelTensor).address);
    }
    runPlan(this.shim, plan as CudaPlan, addresses);
  }

  profile(): Promise<never> {
    throw new FlashMLAError('unsupported', '[kernels-cuda] kernels on the CPU take no time that says anything.');
  }

  async recover(): Promise<void> {}
  async synchronize(): Promise<void> {}
  async dispose(): Promise<void> {}
  async [Symbol.asyncDispose](): Promise<void> {}
}

/** A backend whose plans are made for `traits`. */
export const kernelBackend = (traits: CudaTraits): Backend => new KernelBackend(traits);
