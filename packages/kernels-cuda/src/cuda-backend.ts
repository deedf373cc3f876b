// The Backend of this package: tensors in device memory, ops as launches on one stream, recorded and put on it together.

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
  Recent,
  type Support,
  type Tensor,
  type Tensors,
  type TypedArray,
  validateProblem,
} from '@flashmla/tensor';
import { CudaContext, disposed } from './context.ts';
import type { CublasApi } from './cublas.ts';
import { CudaTensor } from './cuda-tensor.ts';
import { type Block, DeviceMemory } from './device-memory.ts';
import { type CudaDevice, lineOf } from './devices.ts';
import { type Driver, KernelArguments, withoutSource } from './driver.ts';
import { EventRecording } from './event-recording.ts';
import { Graphs } from './graphs.ts';
import { planOf, refusal, variantsOf } from './kernels/index.ts';
import type { CudaPlan, CudaTraits, Step } from './plan.ts';
import { Products } from './products.ts';
import { type PreparedStep, RecordedOp, Recorder } from './recorder.ts';
import { Staging } from './staging.ts';

interface CudaProgram extends Program {
  readonly plan: CudaPlan;
  readonly steps: readonly PreparedStep[];
}

export interface CudaBackendOptions {
  readonly driver: Driver;
  /** The device it runs on. */
  readonly device: CudaDevice;
  /** The kernels: a fatbin. */
  readonly image: Uint8Array;
  /** Most bytes that tensors may take. */
  readonly memoryBytes: number;
  /** Whether what comes again is launched as one graph. */
  readonly graphs: boolean;
  /** cuBLASLt, or why there is none. */
  readonly cublas: CublasApi | string;
}

export class CudaBackend implements Backend {
  readonly name = 'cuda';
  readonly device: DeviceInfo;
  /** The GPU it runs on. */
  readonly gpu: CudaDevice;
  readonly #context: CudaContext;
  readonly #memory: DeviceMemory;
  readonly #graphs: Graphs;
  readonly #recorder: Recorder;
  readonly #staging: Staging;
  readonly #products: Products | undefined;
  /** What plans rest on. */
  readonly #traits: CudaTraits;
  readonly #programs = new Recent<CudaProgram>(mostPrograms);
  readonly #preferred = new PreferredVariants('[kernels-cuda]');
  readonly #profiler = new Profiler<EventRecording>('[kernels-cuda]', this);
  /** The last one. */
  #recording: EventRecording | undefined;
  #steps = 0;
  #ending: Promise<void> | undefined;

  constructor({ driver, device, image, memoryBytes, graphs, cublas }: CudaBackendOptions) {
    this.gpu = device;
    const context = new CudaContext(driver, device.ordinal, image);
    this.#context = context;
    const products = openProducts(cublas, context, device.computeCapability);
    this.#products = typeof products === 'string' ? undefined : products;
    this.#traits = this.#products
      ? { ...device, cublas: (product) => this.#products!.workspaceBytes(product) }
      : device;
    this.device = {
      description: `${lineOf(device)}, ${typeof products === 'string' ? `no cuBLASLt: ${products}` : products.description}`,
      features: ['float16', 'bfloat16', ...(graphs ? ['graphs'] : []), ...(this.#products ? ['cublas'] : [])],
      limits: { memoryBytes, sharedBytesPerBlock: device.sharedBytesPerBlock, maxHeadDim: 256 },
    };
    this.#memory = new DeviceMemory(
      {
        allocate: (byteLength) => context.run(() => driver.allocate(byteLength)),
        free: (address) => driver.within(context.handle, () => driver.free(address)),
        quiet: () => {
          this.#recorder.submit();
          context.block();
        },
      },
      memoryBytes,
    );
    this.#graphs = new Graphs(context, graphs);
    this.#recorder = new Recorder(context, this.#graphs);
    this.#staging = new Staging(context, () => this.#recorder.submit());
  }

  /** Graphs launched so far, and kernels launched one by one. */
  get launches(): { readonly graphs: number; readonly kernels: number } {
    return { ...this.#graphs.launches };
  }

  supports(problem: Problem): Support {
    validateProblem(problem);
    const refused = refusal(problem, this.#traits);
    if (refused) return { supported: false, ...refused };
    const plan = planOf(problem, this.#traits, this.#variant(problem));
    const { scratchBytes, usefulMultiplyAdds, issuedMultiplyAdds } = plan;
    return { supported: true, scratchBytes, usefulMultiplyAdds, issuedMultiplyAdds };
  }

  allocate(shape: readonly number[], dtype: DType): CudaTensor {
    return new CudaTensor(this, this.#take(elementCount(shape) * byteSize(dtype)), shape, dtype);
  }

  upload({ array, shape, dtype }: HostTensor): CudaTensor {
    const block = this.#take(array.byteLength);
    const tensor = new CudaTensor(this, block, shape, dtype);
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    try {
      this.#staging.write(bytes, (source, offset, byteLength) => {
        const op = new RecordedOp();
        op.copies.push({ destination: block.address + offset, source, byteLength });
        tensor.writers.push(op);
        this.#recorder.record(op);
      });
    } catch (error) {
      this.#memory.give(block);
      throw error;
    }
    return tensor;
  }

  async read(source: DeviceTensor): Promise<TypedArray> {
    const tensor = this.#own(source);
    const { dtype, byteLength, block } = tensor;
    this.#recorder.submit();
    this.#context.checkUsable();
    tensor.checkWritten();
    if (byteLength === 0) return new (arrayOf(dtype))(0);
    const bytes = await this.#staging.read(block.address, byteLength);
    return new (arrayOf(dtype))(bytes);
  }

  free(source: Tensor): void {
    // What lived in the context ended with it.
    if (!this.#ending) this.#memory.give((source as CudaTensor).block);
  }

  memory(): MemoryInfo {
    const { usedBytes, peakBytes, limitBytes } = this.#memory;
    return { usedBytes, peakBytes, limitBytes };
  }

  resetPeak(): void {
    this.#memory.resetPeak();
  }

  variants(problem: Problem): readonly string[] {
    return variantsOf(problem, this.#traits);
  }

  prefer(shapeClass: string, variant: string): void {
    this.#preferred.prefer(shapeClass, variant);
  }

  async prepare(problem: Problem, { variant }: PrepareOptions = {}): Promise<Program> {
    this.#context.checkUsable();
    const chosen = this.#variant(problem, variant);
    return this.#programs.get(`${problemKey(problem)} ${chosen}`, () => {
      validateProblem(problem);
      const refused = refusal(problem, this.#traits);
      if (refused) {
        throw new FlashMLAError('unsupported', `[kernels-cuda] ${problem.op}: ${refused.reason}; ${refused.advice}.`);
      }
      const plan = planOf(problem, this.#traits, chosen);
      return { problem, plan, steps: plan.steps.map((step) => this.#prepare(step)) };
    });
  }

  dispatch(program: Program, inputs: Tensors, outputs: Tensors, { signal }: DispatchOptions = {}): void {
    this.#context.checkUsable();
    checkBindings(this, program.problem, inputs, outputs);
    const { plan, steps } = program as CudaProgram;
    const bound = new Map<string, number>();
    for (const [name, tensor] of [...Object.entries(inputs), ...Object.entries(outputs)]) {
      bound.set(name, this.#own(tensor).block.address);
    }
    const held: Block[] = [];
    try {
      for (const [name, byteLength] of Object.entries(plan.buffers)) {
        const block = this.#take(byteLength);
        held.push(block);
        bound.set(name, block.address);
      }
      const op = new RecordedOp(signal);
      for (const prepared of steps) {
        const addresses = prepared.step.bindings.map((name) => bound.get(name) ?? 0);
        op.launches.push({ prepared, addresses });
      }
      for (const output of Object.values(outputs)) this.#own(output).writers = [op];
      this.#profiler.recording?.add(op, program);
      this.#recorder.record(op);
    } finally {
      // Ops run in the order in which they are recorded: the next may have the memory at once.
      for (const block of held) this.#memory.give(block);
    }
  }

  async synchronize(): Promise<void> {
    this.#context.checkUsable();
    this.#recorder.submit();
    this.#context.checkUsable();
    await this.#context.wait(this.#context.lastTick);
    this.#recorder.raiseFailure();
  }

  profile<T>(work: () => Promise<T>): Promise<Profile<T>> {
    const begin = () => {
      // One whose work rejected was never finished.
      this.#recording?.release();
      this.#recording = new EventRecording(this.#context);
      return this.#recording;
    };
    return this.#profiler.profile(begin, work);
  }

  /** NVIDIA's driver gives a process whose context broke no more work: nothing of it can be brought back. */
  async recover(): Promise<void> {
    const { gone } = this.#context;
    if (!gone || this.#ending) {
      this.#context.checkUsable();
      return;
    }
    throw new FlashMLAError(
      'backend-unavailable',
      `[kernels-cuda] the device was lost, and the driver gives this process no other context: restart the process. ${gone.message}`,
      { cause: gone },
    );
  }

  dispose(): Promise<void> {
    this.#ending ??= this.#context.close(disposed(), () => [
      ...this.#graphs.release(),
      ...(this.#products?.release() ?? []),
      ...this.#staging.release(),
      ...this.#memory.release(),
    ]);
    return this.#ending;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #variant(problem: Problem, wanted?: string): string {
    return this.#preferred.choose(problem, this.variants(problem), wanted);
  }

  #prepare(step: Step): PreparedStep {
    const { driver, stream } = this.#context;
    const id = ++this.#steps;
    if ('product' in step) {
      const launch = ([input = 0, weight = 0, bias = 0, output = 0, workspace = 0]: readonly number[]) =>
        this.#products!.launch(step.product, { input, weight, bias, output, workspace }, stream);
      return { id, step, launch };
    }
    const kernel = this.#context.kernel(step.kernel, step.sharedBytes);
    const given = new KernelArguments(driver.api, step.bindings.length, step.words);
    return {
      id,
      step,
      launch(addresses) {
        // The driver copies the arguments when it is called, so that the next launch of the step may set its own.
        addresses.forEach((address, at) => {
          given.setPointer(at, address);
        });
        driver.launch(kernel, step, stream, given);
      },
    };
  }

  #take(byteLength: number): Block {
    this.#context.checkUsable();
    const block = this.#memory.take(byteLength);
    if (block) return block;
    const { usedBytes, limitBytes } = this.#memory;
    throw new OutOfMemoryError('kernels-cuda', byteLength, usedBytes, limitBytes);
  }

  #own(tensor: DeviceTensor): CudaTensor {
    this.#context.checkUsable();
    checkOwned('[kernels-cuda]', this, tensor);
    return tensor as CudaTensor;
  }
}

/** cuBLASLt on a device, or why it is not used there: what it can't begin with, our own kernels do. */
function openProducts(
  cublas: CublasApi | string,
  { driver, handle }: CudaContext,
  computeCapability: number,
): Products | string {
  if (typeof cublas === 'string') return cublas;
  try {
    return new Products(cublas, driver, handle, computeCapability);
  } catch (error) {
    return withoutSource(error);
  }
}
