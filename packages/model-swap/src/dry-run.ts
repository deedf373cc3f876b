// A backend on which nothing is allocated and nothing computed: it counts. What a computation takes is then found by
// doing it, so that the prediction can't drift from the code.
//
// Memory counts as on a real backend: freed at once for what is dispatched later, scratch held during its op.

import {
  arrayOf,
  type Backend,
  costOf,
  type DeviceInfo,
  DeviceTensor,
  type DType,
  elementCount,
  FlashMLAError,
  type HostTensor,
  type MemoryInfo,
  type Problem,
  type Program,
  problemKey,
  type Quantization,
  type Support,
  type Tensor,
  type TypedArray,
} from '@flashmla/tensor';

class CountedTensor extends DeviceTensor {
  readonly backend: Backend;

  constructor(backend: Backend, shape: readonly number[], dtype: DType, quantization?: Quantization) {
    super(shape, dtype, quantization);
    this.backend = backend;
  }

  /** int8 is a byte, its scales little beside it. */
  override get byteLength(): number {
    return this.quantization ? elementCount(this.shape) : super.byteLength;
  }
}

export class DryRun implements Backend {
  readonly name: Backend['name'];
  readonly device: DeviceInfo;
  readonly #target: Backend;
  #usedBytes = 0;
  #peakBytes = 0;
  #flops = 0;
  readonly #problems = new Map<string, Problem>();

  /** @param target the backend whose kernels would run; it is only asked what it supports */
  constructor(target: Backend) {
    this.#target = target;
    this.name = target.name;
    this.device = target.device;
  }

  /** Of all that was dispatched, by the ops' definitions. */
  get flops(): number {
    return this.#flops;
  }

  /** All that was dispatched, each problem once. */
  get problems(): Problem[] {
    return [...this.#problems.values()];
  }

  supports(problem: Problem): Support {
    return this.#target.supports(problem);
  }

  allocate(shape: readonly number[], dtype: DType): DeviceTensor {
    return this.hold(shape, dtype);
  }

  /** What `upload` of a tensor of this shape gives. */
  hold(shape: readonly number[], dtype: DType, quantization?: Quantization): DeviceTensor {
    const held = new CountedTensor(this, shape, dtype, quantization);
    this.#hold(held.byteLength);
    return held;
  }

  upload({ shape, dtype }: HostTensor): DeviceTensor {
    return this.allocate(shape, dtype);
  }

  async read({ shape, dtype }: DeviceTensor): Promise<TypedArray> {
    return new (arrayOf(dtype))(elementCount(shape));
  }

  free(source: Tensor): void {
    this.#usedBytes -= (source as CountedTensor).byteLength;
  }

  memory(): MemoryInfo {
    const { limitBytes } = this.#target.memory();
    return { usedBytes: this.#usedBytes, peakBytes: this.#peakBytes, limitBytes };
  }

  resetPeak(): void {
    this.#peakBytes = this.#usedBytes;
  }

  variants(problem: Problem): readonly string[] {
    return this.#target.variants(problem);
  }

  prefer(): void {}

  async prepare(problem: Problem): Promise<Program> {
    const support = this.supports(problem);
    if (support.supported) return { problem, plan: support };
    throw new FlashMLAError(
      'unsupported',
      `[model-swap] '${this.name}' can't run ${problem.op}: ${support.reason}; ${support.advice}.`,
    );
  }

  dispatch({ problem, plan }: Program): void {
    this.#hold(plan.scratchBytes);
    this.#usedBytes -= plan.scratchBytes;
    this.#flops += costOf(problem).flops;
    this.#problems.set(problemKey(problem), problem);
  }

  async synchronize(): Promise<void> {}

  async recover(): Promise<void> {}

  async profile(): Promise<never> {
    throw new FlashMLAError(
      'unsupported',
      '[model-swap] a dry run computes nothing, so there is nothing to time; profile on the backend itself.',
    );
  }

  async dispose(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}

  #hold(byteLength: number): void {
    this.#usedBytes += byteLength;
    this.#peakBytes = Math.max(this.#peakBytes, this.#usedBytes);
  }
}
