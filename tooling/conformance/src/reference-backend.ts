// A backend that runs the float64 references in memory: what the conformance suite is tested on, and what packages are
// tested on where no kernels are needed. It keeps the contract strictly, so that code that works on it has not leaned on
// an accident: fresh memory holds rubbish, work is done later than it is dispatched, a packed weight serves only linear.
// Its device can be lost, so that recovering is tested without one.

import {
  arrayOf,
  type Backend,
  byteSize,
  ClockedOps,
  checkBindings,
  checkOwned,
  checkShape,
  costOf,
  type DeviceInfo,
  DeviceTensor,
  type DispatchOptions,
  type DType,
  elementCount,
  FlashMLAError,
  type FloatDType,
  fromFloat32,
  type HostTensor,
  inputSpecs,
  isFloatDType,
  lostWithDevice,
  type MemoryInfo,
  type NumberArray,
  OutOfMemoryError,
  oneVariant,
  type Plan,
  PreferredVariants,
  type PrepareOptions,
  type Problem,
  type Profile,
  Profiler,
  type Program,
  problemKey,
  RestorableTensors,
  reference,
  roundingTo,
  rowView,
  SharedRecovery,
  Storage,
  type Support,
  type Tensor,
  type Tensors,
  type TypedArray,
  type UploadOptions,
  validateProblem,
} from '@flashmla/tensor';

export interface ReferenceBackendOptions {
  /** Most bytes that tensors may take together; default 4 GiB. */
  limitBytes?: number;
}

interface Memory {
  readonly array: TypedArray;
  /** How often the device had been lost when it came there. */
  losses: number;
  /** Who is no longer what was uploaded when something is written here. */
  owner?: ReferenceTensor;
}

type ReferenceStorage = Storage<Memory, AbortSignal>;

class ReferenceTensor extends DeviceTensor {
  readonly backend: ReferenceBackend;
  override readonly storage: ReferenceStorage;
  override readonly byteOffset: number;
  /** Its elements, which lie among those of the storage. */
  readonly array: TypedArray;
  /** How often the device had been lost when it came there: it is gone with the next loss. */
  losses: number;
  readonly purpose: UploadOptions['purpose'];

  constructor(
    backend: ReferenceBackend,
    storage: ReferenceStorage,
    shape: readonly number[],
    dtype: DType,
    { purpose, quantization, byteOffset = 0 }: UploadOptions & { byteOffset?: number } = {},
  ) {
    super(shape, dtype, quantization);
    this.backend = backend;
    this.storage = storage;
    this.byteOffset = byteOffset;
    const first = byteOffset / byteSize(dtype);
    this.array = storage.block.array.subarray(first, first + elementCount(shape));
    this.losses = backend.losses;
    this.purpose = purpose;
  }
}

/** A program ends with the device that it was prepared for. */
interface ReferenceProgram extends Program {
  readonly losses: number;
}

class ReferenceBackend implements Backend {
  readonly name = 'cpu';
  readonly device: DeviceInfo;
  readonly #limitBytes: number;
  readonly #preferred = new PreferredVariants('[conformance]');
  readonly #programs = new Map<string, ReferenceProgram>();
  readonly #restorable = new RestorableTensors<ReferenceTensor>();
  readonly #recovery = new SharedRecovery();
  /** How often the device was lost. */
  losses = 0;
  #isLost = false;
  #usedBytes = 0;
  #peakBytes = 0;
  /** Done when all work dispatched so far is done; never rejects. */
  #queue: Promise<void> = Promise.resolve();
  #lastBreathMs = 0;
  readonly #profiler = new Profiler<ClockedOps>('[conformance]', this);
  #failure: { error: unknown } | undefined;
  #disposed = false;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
    this.device = {
      description: 'float64 reference ops in JavaScript, one thread',
      features: ['float16', 'bfloat16', 'int8'],
      limits: { memoryBytes: limitBytes },
      threads: 1,
    };
  }

  supports(problem: Problem): Support {
    try {
      return { supported: true, ...planOf(problem) };
    } catch (error) {
      if (!(error instanceof FlashMLAError)) throw error;
      return {
        supported: false,
        reason: error.message,
        advice: 'Correct the problem; it makes no sense on any backend.',
      };
    }
  }

  allocate(shape: readonly number[], dtype: DType): DeviceTensor {
    checkShape(shape);
    this.#reserve(elementCount(shape) * byteSize(dtype));
    return new ReferenceTensor(this, this.#storage(rubbish(elementCount(shape), dtype)), shape, dtype);
  }

  upload(source: HostTensor, options: UploadOptions = {}): DeviceTensor {
    const { restore } = options;
    this.#reserve(source.array.byteLength);
    const added = new ReferenceTensor(this, this.#storage(source.array.slice()), source.shape, source.dtype, options);
    added.storage.block.owner = added;
    if (restore) this.#restorable.add(added, restore);
    return added;
  }

  rows(source: DeviceTensor, start: number, end: number, wanted?: readonly number[]): DeviceTensor {
    this.#checkOpen();
    checkOwned('[conformance]', this, source);
    const own = this.#own(source);
    this.#arrayOf(own);
    const packed = own.purpose !== undefined;
    const { shape, byteOffset } = rowView('[conformance]', source, start, end, { packed, shape: wanted });
    own.storage.hold();
    return new ReferenceTensor(this, own.storage, shape, own.dtype, { byteOffset });
  }

  async read(source: DeviceTensor): Promise<TypedArray> {
    this.#checkOpen();
    const own = this.#own(source);
    if (source.disposed) {
      throw new FlashMLAError('disposed', '[conformance] read of a disposed tensor; read it before disposing.');
    }
    const array = this.#arrayOf(own);
    const losses = this.losses;
    await this.synchronize();
    if (this.losses > losses) throw lost();
    for (const signal of own.storage.writtenUnder(own.range)) signal.throwIfAborted();
    return array.slice();
  }

  free(source: Tensor): void {
    const own = this.#own(source);
    this.#restorable.delete(own);
    own.storage.release();
  }

  memory(): MemoryInfo {
    return { usedBytes: this.#usedBytes, peakBytes: this.#peakBytes, limitBytes: this.#limitBytes };
  }

  resetPeak(): void {
    this.#peakBytes = this.#usedBytes;
  }

  variants(): readonly string[] {
    return oneVariant;
  }

  prefer(shapeClass: string, variant: string): void {
    this.#preferred.prefer(shapeClass, variant);
  }

  async prepare(problem: Problem, { variant }: PrepareOptions = {}): Promise<Program> {
    this.#checkOpen();
    this.#preferred.choose(problem, oneVariant, variant);
    const key = problemKey(problem);
    const program = this.#programs.get(key) ?? { problem, plan: planOf(problem), losses: this.losses };
    this.#programs.set(key, program);
    return program;
  }

  dispatch(program: Program, inputs: Tensors, outputs: Tensors, options: DispatchOptions = {}): void {
    this.#checkOpen();
    const { problem } = program;
    checkBindings(this, problem, inputs, outputs);
    const { losses } = program as ReferenceProgram;
    if (losses < this.losses) {
      throw new FlashMLAError('device-lost', '[conformance] the program was lost with the device; prepare it again.');
    }
    const arrays: Record<string, TypedArray> = {};
    for (const name of Object.keys(inputSpecs(problem))) {
      const input = this.#own(inputs[name]);
      const { purpose } = input;
      if (purpose === 'linear-weight' && (problem.op !== 'linear' || name !== 'weight')) {
        throw new FlashMLAError(
          'invalid-argument',
          `[conformance] ${problem.op}: '${name}' was uploaded as a linear-weight; upload it without a purpose.`,
        );
      }
      arrays[name] = this.#arrayOf(input);
    }
    const targets = Object.entries(outputs).map(([name, output]) => {
      const target = this.#own(output);
      this.#restorable.delete(target.storage.block.owner ?? target);
      return [name, target, this.#arrayOf(target)] as const;
    });
    const compute = () => {
      const results = reference(problem, arrays);
      for (const [name, { dtype }, array] of targets) {
        const values = isFloatDType(dtype) ? narrowed(results[name], dtype) : results[name];
        (array as Float32Array).set(values);
      }
    };
    const { recording } = this.#profiler;
    this.#queue = this.#queue.then(async () => {
      await this.#breathe();
      const skippedFor = options.signal?.aborted ? options.signal : undefined;
      for (const [, target] of targets) target.storage.wrote(target.range, skippedFor);
      if (this.#failure || options.signal?.aborted) return;
      try {
        if (this.#disposed) throw closed();
        await (recording ? recording.add(program, compute) : compute());
      } catch (error) {
        this.#failure = { error };
      }
    });
  }

  async synchronize(): Promise<void> {
    this.#checkOpen();
    await this.#queue;
    if (this.#isLost) throw lost();
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure) throw failure.error;
  }

  /** Takes the device away: what is under way rejects, tensors and programs are gone. */
  lose(): void {
    this.#isLost = true;
    this.losses++;
    this.#usedBytes = 0;
    this.#programs.clear();
  }

  async recover(): Promise<void> {
    if (this.#isLost && !this.#disposed) await this.#recovery.run((signal) => this.#recover(signal));
  }

  profile<T>(work: () => Promise<T>): Promise<Profile<T>> {
    return this.#profiler.profile(
      () => new ClockedOps("by the host's clock, before and after it computes an op"),
      work,
    );
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
    this.#recovery.abort(closed());
    await this.#queue;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #recover(signal: AbortSignal): Promise<void> {
    const losses = this.losses;
    const restored: ReferenceTensor[] = [];
    await this.#restorable.restore(signal, (gone, { array }) => {
      (gone.array as Float32Array).set(array as Float32Array);
      restored.push(gone);
    });
    if (this.losses > losses) throw lost();
    this.#isLost = false;
    for (const back of restored) {
      back.losses = losses;
      back.storage.block.losses = losses;
      if (!back.disposed) this.#reserve(back.array.byteLength);
    }
  }

  /** Memory in use from now on, until the last tensor in it is disposed or the device is lost. */
  #storage(array: TypedArray): ReferenceStorage {
    return new Storage<Memory, AbortSignal>({ array, losses: this.losses }, ({ losses }) => {
      if (losses === this.losses) this.#usedBytes -= array.byteLength;
    });
  }

  #arrayOf(own: ReferenceTensor): TypedArray {
    if (own.losses < this.losses) throw lostWithDevice('[conformance]', own);
    return own.array;
  }

  /** Lets timers run now and then, so that a signal can abort between ops. */
  async #breathe(): Promise<void> {
    if (Date.now() - this.#lastBreathMs < 10) return;
    await new Promise((resolve) => setTimeout(resolve, 0));
    this.#lastBreathMs = Date.now();
  }

  #reserve(byteLength: number): void {
    this.#checkOpen();
    if (this.#usedBytes + byteLength > this.#limitBytes) {
      throw new OutOfMemoryError('conformance', byteLength, this.#usedBytes, this.#limitBytes);
    }
    this.#usedBytes += byteLength;
    this.#peakBytes = Math.max(this.#peakBytes, this.#usedBytes);
  }

  #own(source: Tensor): ReferenceTensor {
    if (source instanceof ReferenceTensor && source.backend === this) return source;
    throw new FlashMLAError(
      'invalid-argument',
      '[conformance] a tensor of another backend was given; upload it to this one first.',
    );
  }

  #checkOpen(): void {
    if (this.#disposed) throw closed();
    if (this.#isLost) throw lost();
  }
}

const closed = () => new FlashMLAError('disposed', '[conformance] the reference backend was disposed; open another.');

const lost = () => new FlashMLAError('device-lost', '[conformance] the device was lost; recover() brings it back.');

function planOf(problem: Problem): Plan {
  validateProblem(problem);
  const multiplyAdds = costOf(problem).flops / 2;
  return { scratchBytes: 0, usefulMultiplyAdds: multiplyAdds, issuedMultiplyAdds: multiplyAdds };
}

/** Elements as `dtype` has them, each rounded once. */
const narrowed = (values: NumberArray, dtype: FloatDType) =>
  fromFloat32(Float32Array.from(values, roundingTo(dtype)), dtype);

/** Memory as a backend gives it: whatever was there. NaN, or the largest number, so that reading it is noticed. */
function rubbish(length: number, dtype: DType): TypedArray {
  const array = new (arrayOf(dtype))(length);
  if (array instanceof BigInt64Array || array instanceof BigUint64Array) return array.fill(-1n);
  return array.fill(array instanceof Float32Array || array instanceof Float64Array ? Number.NaN : -1);
}

/** A backend named 'cpu' that computes everything by definition; slow, and complete. */
export function referenceBackend(options: ReferenceBackendOptions = {}): ReferenceBackend {
  return new ReferenceBackend(options.limitBytes ?? 4 * 2 ** 30);
}

export type { ReferenceBackend };
