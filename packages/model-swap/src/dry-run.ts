// A backend on which nothing is allocated and nothing computed: it counts. What a computation takes is then found by
// doing it, so that the prediction can't drift from the code.
//
// Memory counts as on a real backend: freed at once for what is dispatched later, scratch held during its op.

import {
  arrayOf,
  type Backend,
  byteSize,
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
  rowView,
  Storage,
  type Support,
  type Tensor,
  type TypedArray,
} from '@flashmla/tensor';

/** How many bytes are held while a tensor is, or a view of its rows. */
type CountedStorage = Storage<number, never>;

class CountedTensor extends DeviceTensor {
  readonly backend: Backend;
  override readonly storage: CountedStorage;

  constructor(
    backend: Backend,
    storage: CountedStorage,
    shape: readonly number[],
    dtype: DType,
    quantized?: Quantization,
  ) {
    super(shape, dtype, quantized);
    this.backend = backend;
    this.storage = storage;
  }
}

export class DryRun implements Backend {
  readonly name: Backend['name'];
  readonly device: DeviceInfo;
  /** Where the target has it. */
  readonly rows?: NonNullable<Backend['rows']>;
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
    if (target.rows) this.rows = this.#rows;
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
    // int8 is a byte, its scales little beside it.
    const byteLength = elementCount(shape) * (quantization ? 1 : byteSize(dtype));
    this.#hold(byteLength);
    const storage = new Storage<number, never>(byteLength, () => this.#release(byteLength));
    return new CountedTensor(this, storage, shape, dtype, quantization);
  }

  upload({ shape, dtype }: HostTensor): DeviceTensor {
    return this.allocate(shape, dtype);
  }

  async read({ shape, dtype }: DeviceTensor): Promise<TypedArray> {
    return new (arrayOf(dtype))(elementCount(shape));
  }

  free(source: Tensor): void {
    (source as CountedTensor).storage.release();
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
    this.#release(plan.scratchBytes);
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

  #release(byteLength: number): void {
    this.#usedBytes -= byteLength;
  }

  #rows(source: DeviceTensor, start: number, end: number, wanted?: readonly number[]): DeviceTensor {
    const { shape } = rowView('[model-swap]', source, start, end, { packed: false, shape: wanted });
    const { storage } = source as CountedTensor;
    storage.hold();
    return new CountedTensor(this, storage, shape, source.dtype);
  }
}
