// The Backend of this package: tensors in WASM memory, ops as steps over worker threads.

import {
  arrayOf,
  type Backend,
  byteSize,
  checkBindings,
  checkOwned,
  type DeviceInfo,
  type DeviceTensor,
  type DispatchOptions,
  type DType,
  elementCount,
  FlashMLAError,
  type HostTensor,
  inputSpecs,
  type MemoryInfo,
  mostPrograms,
  OutOfMemoryError,
  PreferredVariants,
  type PrepareOptions,
  type Problem,
  type Profile,
  Profiler,
  type Program,
  problemKey,
  type Quantization,
  Recent,
  rowView,
  Storage,
  type Support,
  type Tensor,
  type Tensors,
  type TypedArray,
  type UploadOptions,
  validateProblem,
} from '@flashmla/tensor';
import { Allocator, type Block } from './allocator.ts';
import { CpuRecording, RecordedOp } from './cpu-recording.ts';
import { type CpuStorage, CpuTensor } from './cpu-tensor.ts';
import { disposed, type Executor } from './executor.ts';
import { planOf, refusal, variantsOf } from './kernels/index.ts';
import { type CpuPlan, roundUp, type Step, type Traits, updated } from './plan.ts';
import { HEAP_START } from './protocol.ts';
import { type Format, type Matrix, packedBytes, packStep, packThreadBytes, unpack } from './weights.ts';

interface CpuProgram extends Program {
  readonly plan: CpuPlan;
  /** The plan for a weight that was packed at upload; only linear has one. */
  readonly packedPlan: CpuPlan;
}

export class CpuBackend implements Backend {
  readonly name = 'cpu';
  readonly device: DeviceInfo;
  readonly #executor: Executor;
  readonly #traits: Required<Traits>;
  readonly #allocator: Allocator;
  readonly #preferred = new PreferredVariants('[kernels-cpu]');
  readonly #programs = new Recent<CpuProgram>(mostPrograms);
  readonly #profiler = new Profiler<CpuRecording>('[kernels-cpu]', this);
  #disposed = false;

  constructor(executor: Executor, device: DeviceInfo, traits: Required<Traits>) {
    this.#executor = executor;
    this.#traits = traits;
    this.#allocator = new Allocator(HEAP_START, executor.memoryLimitBytes);
    this.device = device;
  }

  supports(problem: Problem): Support {
    validateProblem(problem);
    const refused = refusal(problem);
    if (refused) return { supported: false, ...refused };
    const { scratchBytes, usefulMultiplyAdds, issuedMultiplyAdds } = this.#plan(
      problem,
      this.#preferred.choose(problem, variantsOf(problem)),
      true,
    );
    return { supported: true, scratchBytes, usefulMultiplyAdds, issuedMultiplyAdds };
  }

  allocate(shape: readonly number[], dtype: DType): CpuTensor {
    // Only ops will write here, in order: a block still in use by earlier ones will do.
    const block = this.#allocate(elementCount(shape) * byteSize(dtype), Number.POSITIVE_INFINITY);
    return new CpuTensor(this, this.#storage(block), shape, dtype);
  }

  upload(source: HostTensor, { purpose, quantization }: UploadOptions = {}): CpuTensor {
    if (purpose === 'linear-weight' && source.dtype === 'float32') return this.#uploadPacked(source, quantization);
    const block = this.#allocate(source.array.byteLength, this.#executor.completed);
    this.#executor.write(block.offset, bytesOf(source.array));
    return new CpuTensor(this, this.#storage(block), source.shape, source.dtype);
  }

  rows(source: DeviceTensor, start: number, end: number, wanted?: readonly number[]): CpuTensor {
    const { packed, storage, dtype } = this.#own(source);
    const { shape, byteOffset } = rowView('[kernels-cpu]', source, start, end, { packed, shape: wanted });
    storage.hold();
    return new CpuTensor(this, storage, shape, dtype, { byteOffset });
  }

  async read(source: DeviceTensor): Promise<TypedArray> {
    const tensor = this.#own(source);
    const { storage, range } = tensor;
    // The memory stays until it is copied, even if the tensor is disposed meanwhile.
    storage.hold();
    try {
      const matrix = matrixOf(tensor);
      const format = this.#formatOf(tensor.quantization);
      const byteLength = tensor.packed ? packedBytes(matrix, format) : tensor.byteLength;
      const writtenUnder = storage.writtenUnder(range);
      const bytes = await this.#executor.read(tensor.offset, byteLength);
      const skipped = writtenUnder.find(({ signal, end }) => this.#executor.skips.before(signal, end));
      if (skipped) throw skipped.signal.reason;
      if (tensor.packed) return unpack(bytes, matrix, format);
      return new (arrayOf(tensor.dtype))(bytes);
    } finally {
      storage.release();
    }
  }

  free(source: Tensor): void {
    (source as CpuTensor).storage.release();
  }

  memory(): MemoryInfo {
    const { usedBytes, peakBytes } = this.#allocator;
    return { usedBytes, peakBytes, limitBytes: this.#executor.memoryLimitBytes };
  }

  resetPeak(): void {
    this.#allocator.resetPeak();
  }

  variants(problem: Problem): readonly string[] {
    return variantsOf(problem);
  }

  prefer(shapeClass: string, variant: string): void {
    this.#preferred.prefer(shapeClass, variant);
  }

  async prepare(problem: Problem, { variant: wanted }: PrepareOptions = {}): Promise<Program> {
    if (this.#disposed) throw disposed();
    const variant = this.#preferred.choose(problem, variantsOf(problem), wanted);
    return this.#programs.get(`${problemKey(problem)} ${variant}`, () => {
      validateProblem(problem);
      const refused = refusal(problem);
      if (refused) {
        throw new FlashMLAError('unsupported', `[kernels-cpu] ${problem.op}: ${refused.reason}; ${refused.advice}.`);
      }
      const plan = this.#plan(problem, variant, false);
      return { problem, plan, packedPlan: problem.op === 'linear' ? this.#plan(problem, variant, true) : plan };
    });
  }

  dispatch(program: Program, inputs: Tensors, outputs: Tensors, { signal }: DispatchOptions = {}): void {
    if (this.#disposed) throw disposed();
    checkBindings(this, program.problem, inputs, outputs);
    const { plan, packedPlan } = program as CpuProgram;
    const chosen = program.problem.op === 'linear' && this.#own(inputs.weight!).packed ? packedPlan : plan;
    for (const [name, tensor] of Object.entries(inputs)) {
      if (this.#own(tensor).packed && chosen === plan) {
        throw new FlashMLAError(
          'invalid-argument',
          `[kernels-cpu] ${program.problem.op}: '${name}' was uploaded as a linear weight; only linear reads those.`,
        );
      }
    }
    const addresses = new Map<string, number>();
    const taken = inputSpecs(program.problem);
    for (const [name, tensor] of Object.entries(inputs)) addresses.set(name, this.#own(tensor).offset);
    for (const [name, tensor] of Object.entries(outputs)) {
      addresses.set(Object.hasOwn(taken, name) ? updated(name) : name, this.#own(tensor).offset);
    }
    const { recording } = this.#profiler;
    const recorded = recording && new RecordedOp({ problem: program.problem, plan: chosen });
    this.#run(chosen.steps, chosen, addresses, { signal, recorded });
    const under = signal && { signal, end: this.#executor.submitted };
    if (recorded) {
      recorded.under = under;
      recording.add(recorded);
    }
    for (const output of Object.values(outputs)) this.#own(output).storage.wrote(output.range, under);
  }

  synchronize(): Promise<void> {
    return this.#executor.finish();
  }

  /** There is no device to lose: memory is the process's own. */
  async recover(): Promise<void> {}

  profile<T>(work: () => Promise<T>): Promise<Profile<T>> {
    return this.#profiler.profile(() => new CpuRecording(this.#executor), work);
  }

  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#executor.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #plan(problem: Problem, variant: string, packedWeight: boolean): CpuPlan {
    return planOf(problem, { threads: this.#executor.threads, packedWeight, ...this.#traits }, variant);
  }

  /** Submits steps with a plan's memory, which goes back as soon as they are on their way. */
  #run(
    steps: readonly Step[],
    memory: Pick<CpuPlan, 'buffers' | 'threadBytes'>,
    addresses: Map<string, number>,
    { signal, recorded }: { signal?: AbortSignal | undefined; recorded?: RecordedOp | undefined } = {},
  ): void {
    const held: Block[] = [];
    const hold = (byteLength: number) => {
      const block = this.#allocate(byteLength, Number.POSITIVE_INFINITY);
      held.push(block);
      return block.offset;
    };
    try {
      for (const [name, byteLength] of Object.entries(memory.buffers)) addresses.set(name, hold(byteLength));
      const scratchStride = roundUp(memory.threadBytes, 64);
      const scratch = scratchStride > 0 ? hold(scratchStride * this.#executor.threads) : 0;
      for (const step of steps) {
        if (step.tasks === 0) continue;
        const words = step.arguments.map((word) => (typeof word === 'string' ? (addresses.get(word) ?? 0) : word));
        this.#executor.submit(
          { kernel: step.kernel, tasks: step.tasks, arguments: words, scratch, scratchStride },
          signal,
          recorded?.next(step.kernel),
        );
      }
    } finally {
      for (const block of held) this.#release(block);
    }
  }

  /** Uploads a [outFeatures, inFeatures] weight and packs it there; only the packed form stays. */
  #uploadPacked(source: HostTensor, quantization: Quantization | undefined): CpuTensor {
    const matrix = matrixOf(source);
    const format = this.#formatOf(quantization);
    const plain = this.#allocate(source.array.byteLength, this.#executor.completed);
    try {
      const packed = this.#allocate(packedBytes(matrix, format), Number.POSITIVE_INFINITY);
      this.#executor.write(plain.offset, bytesOf(source.array));
      const addresses = new Map([
        ['weight', plain.offset],
        ['packed', packed.offset],
      ]);
      const memory = { buffers: {}, threadBytes: packThreadBytes };
      this.#run([packStep('weight', 'packed', matrix, format)], memory, addresses);
      return new CpuTensor(this, this.#storage(packed), source.shape, source.dtype, { packed: true, quantization });
    } finally {
      this.#release(plain);
    }
  }

  #formatOf(quantization: Quantization | undefined): Format {
    return quantization && this.#traits.int8;
  }

  #allocate(byteLength: number, completed: number): Block {
    if (this.#disposed) throw disposed();
    const block = this.#allocator.allocate(byteLength, completed);
    if (block && this.#executor.reserve(this.#allocator.end)) return block;
    if (block) this.#release(block);
    const { usedBytes, limitBytes } = this.memory();
    throw new OutOfMemoryError('kernels-cpu', byteLength, usedBytes, limitBytes);
  }

  #storage(block: Block): CpuStorage {
    return new Storage(block, () => this.#release(block));
  }

  #release(block: Block): void {
    this.#allocator.free(block, this.#executor.submitted);
  }

  #own(tensor: DeviceTensor): CpuTensor {
    checkOwned('[kernels-cpu]', this, tensor);
    return tensor as CpuTensor;
  }
}

const bytesOf = (array: TypedArray): Uint8Array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

/** A tensor as a matrix: everything but the last dimension are rows. */
function matrixOf({ shape }: { shape: readonly number[] }): Matrix {
  return { outFeatures: elementCount(shape.slice(0, -1)), inFeatures: shape.at(-1) ?? 1 };
}
