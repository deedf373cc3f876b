// The Backend of this package: tensors in the process's memory, ops as steps over the threads of the addon.

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
  oneVariant,
  PreferredVariants,
  type PrepareOptions,
  type Problem,
  type Profile,
  Profiler,
  type Program,
  problemKey,
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
import type { Addon, Address, Architecture } from './addon.ts';
import { copyStep } from './copy.ts';
import { disposed, type Executor } from './executor.ts';
import { planOf, refusal } from './kernels/index.ts';
import { type Block, NativeMemory } from './native-memory.ts';
import { NativeRecording, RecordedOp } from './native-recording.ts';
import { type NativeStorage, NativeTensor } from './native-tensor.ts';
import { type NativePlan, nativeDTypes, roundUp, type Step, type Traits, updated } from './plan.ts';
import { type Format, type Matrix, packedBytes, packStep, unpackStep } from './weights.ts';

interface NativeProgram extends Program {
  readonly plan: NativePlan;
  /** The plan for a weight that was packed at upload; only linear has one. */
  readonly packedPlan: NativePlan;
}

export class NativeBackend implements Backend {
  readonly name = 'native';
  readonly device: DeviceInfo;
  readonly #addon: Addon;
  readonly #executor: Executor;
  readonly #memory: NativeMemory;
  readonly #traits: Traits;
  readonly #variants = new PreferredVariants('[kernels-native]');
  readonly #programs = new Recent<NativeProgram>(mostPrograms);
  readonly #profiler = new Profiler<NativeRecording>('[kernels-native]', this);
  #disposed = false;

  constructor(addon: Addon, architecture: Architecture, executor: Executor, device: DeviceInfo) {
    this.#addon = addon;
    this.#executor = executor;
    this.#memory = new NativeMemory(addon, device.limits.memoryBytes!, () => executor.completed);
    this.#traits = { ...architecture, threads: executor.threads };
    this.device = device;
  }

  supports(problem: Problem): Support {
    validateProblem(problem);
    const refused = refusal(problem);
    if (refused) return { supported: false, ...refused };
    const { scratchBytes, usefulMultiplyAdds, issuedMultiplyAdds } = this.#plan(problem, true);
    return { supported: true, scratchBytes, usefulMultiplyAdds, issuedMultiplyAdds };
  }

  allocate(shape: readonly number[], dtype: DType): NativeTensor {
    // Only ops will write here, in order: a block still in use by earlier ones will do.
    const block = this.#take(elementCount(shape) * byteSize(dtype), false);
    return new NativeTensor(this, this.#storage(block), shape, dtype);
  }

  upload(source: HostTensor, { purpose, quantization }: UploadOptions = {}): NativeTensor {
    const dtype = nativeDTypes.find((each) => each === source.dtype);
    if (purpose === 'linear-weight' && dtype) return this.#uploadPacked(source, { dtype, quantization });
    const block = this.#take(source.array.byteLength, true);
    this.#addon.write(block.address, source.array);
    return new NativeTensor(this, this.#storage(block), source.shape, source.dtype);
  }

  rows(source: DeviceTensor, start: number, end: number, wanted?: readonly number[]): NativeTensor {
    const { packed, storage, dtype } = this.#own(source);
    const { shape, byteOffset } = rowView('[kernels-native]', source, start, end, {
      ...{ packed: packed !== undefined, shape: wanted },
    });
    storage.hold();
    return new NativeTensor(this, storage, shape, dtype, { byteOffset });
  }

  async read(source: DeviceTensor): Promise<TypedArray> {
    const tensor = this.#own(source);
    if (this.#disposed) throw disposed();
    const elements = new (arrayOf(tensor.dtype))(elementCount(tensor.shape));
    const writtenUnder = tensor.storage.writtenUnder(tensor.range);
    this.#runStep(this.#readStep(tensor, this.#addon.addressOf(elements)));
    await this.#executor.finish();
    const skipped = writtenUnder.find((under) => this.#executor.skipped(under));
    if (skipped) throw skipped.signal.reason;
    return elements;
  }

  free(source: Tensor): void {
    (source as NativeTensor).storage.release();
  }

  memory(): MemoryInfo {
    const { usedBytes, peakBytes, limitBytes } = this.#memory;
    return { usedBytes, peakBytes, limitBytes };
  }

  resetPeak(): void {
    this.#memory.resetPeak();
  }

  variants(): readonly string[] {
    return oneVariant;
  }

  prefer(shapeClass: string, variant: string): void {
    this.#variants.prefer(shapeClass, variant);
  }

  async prepare(problem: Problem, { variant }: PrepareOptions = {}): Promise<Program> {
    if (this.#disposed) throw disposed();
    this.#variants.choose(problem, oneVariant, variant);
    return this.#programs.get(problemKey(problem), () => {
      validateProblem(problem);
      const refused = refusal(problem);
      if (refused) {
        throw new FlashMLAError('unsupported', `[kernels-native] ${problem.op}: ${refused.reason}; ${refused.advice}.`);
      }
      const plan = this.#plan(problem, false);
      return { problem, plan, packedPlan: problem.op === 'linear' ? this.#plan(problem, true) : plan };
    });
  }

  dispatch(program: Program, inputs: Tensors, outputs: Tensors, { signal }: DispatchOptions = {}): void {
    if (this.#disposed) throw disposed();
    checkBindings(this, program.problem, inputs, outputs);
    const { plan, packedPlan } = program as NativeProgram;
    const chosen = program.problem.op === 'linear' && this.#own(inputs.weight!).packed ? packedPlan : plan;
    const addresses = new Map<string, number>();
    const taken = inputSpecs(program.problem);
    const written = Object.entries(outputs).map(
      ([name, tensor]) => [Object.hasOwn(taken, name) ? updated(name) : name, tensor] as const,
    );
    for (const [name, tensor] of [...Object.entries(inputs), ...written]) {
      const { packed, address } = this.#own(tensor);
      if (packed && !(name === 'weight' && chosen === packedPlan)) {
        throw new FlashMLAError(
          'invalid-argument',
          `[kernels-native] ${program.problem.op}: '${name}' was uploaded as a linear weight; only linear reads those.`,
        );
      }
      addresses.set(name, address);
    }
    const { recording } = this.#profiler;
    const recorded = recording && new RecordedOp({ problem: program.problem, plan: chosen });
    this.#run(chosen.steps, chosen, addresses, { signal, recorded });
    const under = signal && { signal, last: this.#executor.submitted };
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
    return this.#profiler.profile(() => new NativeRecording(this.#executor, this.#addon.now()), work);
  }

  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#executor.dispose();
    this.#memory.release();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #plan(problem: Problem, packedWeight: boolean): NativePlan {
    return planOf(problem, this.#traits, packedWeight);
  }

  /** Submits steps with a plan's memory, which goes back as soon as they are on their way. */
  #run(
    steps: readonly Step[],
    memory: Pick<NativePlan, 'buffers' | 'threadBytes'>,
    addresses: Map<string, number>,
    { signal, recorded }: { signal?: AbortSignal | undefined; recorded?: RecordedOp | undefined } = {},
  ): void {
    const held: Block[] = [];
    const hold = (byteLength: number) => {
      const block = this.#take(byteLength, false);
      held.push(block);
      return block.address;
    };
    const { threads } = this.#executor;
    try {
      for (const [name, byteLength] of Object.entries(memory.buffers)) addresses.set(name, hold(byteLength));
      const scratchStride = roundUp(memory.threadBytes, 64);
      const scratch = scratchStride > 0 ? hold(scratchStride * threads) : 0;
      for (const { kernel, tasks, arguments: words } of steps) {
        if (tasks === 0) continue;
        this.#executor.submit(
          {
            ...{ kernel, tasks, scratch, scratchStride },
            words: words.map((word) => (typeof word === 'string' ? (addresses.get(word) ?? 0) : word)),
          },
          signal,
          recorded?.next(kernel, threads),
        );
      }
    } finally {
      for (const block of held) this.#give(block);
    }
  }

  /** Uploads a [outFeatures, inFeatures] weight and packs it there; only the packed form stays. */
  #uploadPacked(source: HostTensor, format: Format): NativeTensor {
    const matrix = matrixOf(source);
    const plain = this.#take(source.array.byteLength, true);
    try {
      const packed = this.#take(packedBytes(matrix, format, this.#traits), false);
      this.#addon.write(plain.address, source.array);
      this.#runStep(packStep(plain.address, packed.address, matrix, format, this.#traits));
      return new NativeTensor(this, this.#storage(packed), source.shape, source.dtype, { packed: format });
    } finally {
      this.#give(plain);
    }
  }

  /** Brings the elements, row-major, to an address. */
  #readStep({ packed, address, byteLength, shape }: NativeTensor, to: Address): Step {
    if (!packed) return copyStep(address, to, byteLength);
    return unpackStep(address, to, matrixOf({ shape }), packed, this.#traits);
  }

  /** Runs a step that names no tensors: its arguments are addresses. */
  #runStep(step: Step): void {
    this.#run([step], { buffers: {}, threadBytes: 0 }, new Map());
  }

  #take(byteLength: number, quiet: boolean): Block {
    if (this.#disposed) throw disposed();
    const block = this.#memory.take(byteLength, quiet);
    if (block) return block;
    const { usedBytes, limitBytes } = this.#memory;
    throw new OutOfMemoryError('kernels-native', byteLength, usedBytes, limitBytes);
  }

  #storage(block: Block): NativeStorage {
    return new Storage(block, () => this.#give(block));
  }

  #give(block: Block): void {
    this.#memory.give(block, this.#executor.submitted);
  }

  #own(tensor: DeviceTensor): NativeTensor {
    checkOwned('[kernels-native]', this, tensor);
    return tensor as NativeTensor;
  }
}

/** A tensor as a matrix: everything but the last dimension are rows. */
function matrixOf({ shape }: { shape: readonly number[] }): Matrix {
  return { outFeatures: elementCount(shape.slice(0, -1)), inFeatures: shape.at(-1) ?? 1 };
}
