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
  type Support,
  type Tensor,
  type Tensors,
  type TypedArray,
  validateProblem,
} from '@flashmla/tensor';
import { CudaContext, disposed } from './context.ts';
import { CudaTensor } from './cuda-tensor.ts';
import { type Block, DeviceMemory } from './device-memory.ts';
import { type CudaDevice, lineOf } from './devices.ts';
import { type Driver, KernelArguments } from './driver.ts';
import { EventRecording } from './event-recording.ts';
import { Graphs } from './graphs.ts';
import { planOf, refusal } from './kernels/index.ts';
import type { CudaPlan, Step } from './plan.ts';
import { type PreparedStep, RecordedOp, Recorder } from './recorder.ts';
import { Staging } from './staging.ts';

interface CudaProgram extends Program {
  readonly plan: CudaPlan;
  readonly steps: readonly PreparedStep[];
}

/** Programs that are kept: each has some words of arguments. A forward pass has some twenty for each new length. */
const mostPrograms = 1024;

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
  readonly #programs = new Recent<CudaProgram>(mostPrograms);
  readonly #preferred = new PreferredVariants('[kernels-cuda]');
  readonly #profiler = new Profiler<EventRecording>('[kernels-cuda]', this);
  /** The last one. */
  #recording: EventRecording | undefined;
  #steps = 0;
  #ending: Promise<void> | undefined;

  constructor({ driver, device, image, memoryBytes, graphs }: CudaBackendOptions) {
    this.gpu = device;
    this.device = {
      description: lineOf(device),
      features: graphs ? ['float16', 'graphs'] : ['float16'],
      limits: { memoryBytes, sharedBytesPerBlock: device.sharedBytesPerBlock, maxHeadDim: 256 },
    };
    const context = new CudaContext(driver, device.ordinal, image);
    this.#context = context;
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
    const refused = refusal(problem, this.gpu);
    if (refused) return { supported: false, ...refused };
    const { scratchBytes, usefulMultiplyAdds, issuedMultiplyAdds } = planOf(problem, this.gpu);
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

  variants(): readonly string[] {
    return oneVariant;
  }

  prefer(shapeClass: string, variant: string): void {
    this.#preferred.prefer(shapeClass, variant);
  }

  async prepare(problem: Problem, { variant }: PrepareOptions = {}): Promise<Program> {
    this.#context.checkUsable();
    this.#preferred.choose(problem, oneVariant, variant);
    return this.#programs.get(problemKey(problem), () => {
      validateProblem(problem);
      const refused = refusal(problem, this.gpu);
      if (refused) {
        throw new FlashMLAError('unsupported', `[kernels-cuda] ${problem.op}: ${refused.reason}; ${refused.advice}.`);
      }
      const plan = planOf(problem, this.gpu);
      const launched = plan.steps.filter(({ grid }) => grid.every((blocks) => blocks > 0));
      return { problem, plan, steps: launched.map((step) => this.#prepare(step)) };
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
      ...this.#staging.release(),
      ...this.#memory.release(),
    ]);
    return this.#ending;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #prepare(step: Step): PreparedStep {
    return {
      id: ++this.#steps,
      step,
      kernel: this.#context.kernel(step.kernel, step.sharedBytes),
      arguments: new KernelArguments(this.#context.driver.api, step.bindings.length, step.words),
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
