// The Backend of this package: tensors in buffers, ops as dispatches that are recorded and submitted together.

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
  type Problem,
  type Profile,
  Profiler,
  type Program,
  problemKey,
  type Support,
  type Tensor,
  type Tensors,
  type TypedArray,
  validateProblem,
} from '@flashmla/tensor';
import { type Block, Buffers } from './buffers.ts';
import { mapModeRead, usage } from './gpu.ts';
import { type GpuRecording, recordingOn } from './gpu-recording.ts';
import { planOf, refusal } from './kernels/index.ts';
import { type Pipeline, Pipelines } from './pipelines.ts';
import type { GpuPlan, GpuTraits, Step, Word } from './plan.ts';
import { RecordedOp, Recorder } from './recorder.ts';
import { WebGpuTensor } from './webgpu-tensor.ts';

interface PreparedStep extends Pipeline {
  readonly step: Step;
  readonly params: GPUBuffer;
}

interface WebGpuProgram extends Program {
  readonly plan: GpuPlan;
  readonly steps: readonly PreparedStep[];
}

export interface WebGpuBackendOptions {
  readonly device: GPUDevice;
  readonly info: DeviceInfo;
  /** Whether the device ends with the backend. */
  readonly ownsDevice: boolean;
  readonly memoryBytes: number;
}

export class WebGpuBackend implements Backend {
  readonly name = 'webgpu';
  readonly device: DeviceInfo;
  /** The device it runs on. */
  readonly gpu: GPUDevice;
  readonly #ownsDevice: boolean;
  readonly #limitBytes: number;
  readonly #buffers: Buffers;
  readonly #recorder: Recorder;
  readonly #pipelines: Pipelines;
  readonly #traits: GpuTraits;
  readonly #programs = new Map<string, Promise<WebGpuProgram>>();
  readonly #profiler = new Profiler<GpuRecording>('[kernels-webgpu]', this);
  /** Bound where an optional input is not given. */
  readonly #zeros: GPUBuffer;
  readonly #onError = (event: Event) => this.#fail((event as GPUUncapturedErrorEvent).error);
  /** What went wrong on the device since somebody waited last. */
  #failure: FlashMLAError | undefined;
  #lost: FlashMLAError | undefined;
  #disposed = false;

  constructor({ device, info, ownsDevice, memoryBytes }: WebGpuBackendOptions) {
    this.device = info;
    this.gpu = device;
    this.#ownsDevice = ownsDevice;
    this.#limitBytes = memoryBytes;
    this.#buffers = new Buffers(device, memoryBytes);
    this.#recorder = new Recorder(device);
    this.#pipelines = new Pipelines(device);
    this.#traits = traitsOf(device);
    this.#zeros = device.createBuffer({ size: 256, usage: usage.storage });
    device.addEventListener('uncapturederror', this.#onError);
    void device.lost.then(({ reason, message }) => {
      this.#lost = new FlashMLAError(
        'backend-failed',
        `[kernels-webgpu] the GPU device was lost${reason === 'destroyed' ? ', for it was destroyed' : ''}` +
          `${message ? `: ${message}` : ''}. Open a new backend and load the model again.`,
      );
    });
  }

  /** Command buffers submitted so far. */
  get submits(): number {
    return this.#recorder.submits;
  }

  supports(problem: Problem): Support {
    validateProblem(problem);
    const refused = refusal(problem, this.#traits);
    if (refused) return { supported: false, ...refused };
    const { scratchBytes, usefulMultiplyAdds, issuedMultiplyAdds } = planOf(problem, this.#traits);
    return { supported: true, scratchBytes, usefulMultiplyAdds, issuedMultiplyAdds };
  }

  allocate(shape: readonly number[], dtype: DType): WebGpuTensor {
    return new WebGpuTensor(this, this.#take(elementCount(shape) * byteSize(dtype)), shape, dtype);
  }

  upload(source: HostTensor): WebGpuTensor {
    const { array, shape, dtype } = source;
    const block = this.#take(array.byteLength, this.#recorder.submitted);
    if (array.byteLength > 0) this.gpu.queue.writeBuffer(block.buffer, 0, wholeWords(array));
    return new WebGpuTensor(this, block, shape, dtype);
  }

  async read(source: DeviceTensor): Promise<TypedArray> {
    const tensor = this.#own(source);
    const { writer, dtype } = tensor;
    const elements = elementCount(tensor.shape);
    this.#recorder.submit();
    if (writer?.skipped) throw writer.signal!.reason;
    const size = Math.ceil((elements * byteSize(dtype)) / 4) * 4;
    if (size === 0) return new (arrayOf(dtype))(0);
    const staging = this.gpu.createBuffer({ size, usage: usage.mapRead | usage.copyDestination });
    try {
      const encoder = this.gpu.createCommandEncoder();
      encoder.copyBufferToBuffer(tensor.block.buffer, 0, staging, 0, size);
      this.gpu.queue.submit([encoder.finish()]);
      await this.#settle(staging.mapAsync(mapModeRead));
      return new (arrayOf(dtype))(staging.getMappedRange().slice(0), 0, elements);
    } finally {
      staging.destroy();
    }
  }

  free(source: Tensor): void {
    this.#buffers.give((source as WebGpuTensor).block, this.#recorder.recorded);
  }

  memory(): MemoryInfo {
    const { usedBytes, peakBytes } = this.#buffers;
    return { usedBytes, peakBytes, limitBytes: this.#limitBytes };
  }

  resetPeak(): void {
    this.#buffers.resetPeak();
  }

  async prepare(problem: Problem): Promise<Program> {
    this.#checkUsable();
    const key = problemKey(problem);
    let program = this.#programs.get(key);
    if (!program) {
      validateProblem(problem);
      const refused = refusal(problem, this.#traits);
      if (refused) {
        throw new FlashMLAError('unsupported', `[kernels-webgpu] ${problem.op}: ${refused.reason}; ${refused.advice}.`);
      }
      program = this.#prepare(problem);
      this.#programs.set(key, program);
    }
    return program;
  }

  dispatch(program: Program, inputs: Tensors, outputs: Tensors, { signal }: DispatchOptions = {}): void {
    this.#checkUsable();
    checkBindings(this, program.problem, inputs, outputs);
    const { plan, steps } = program as WebGpuProgram;
    const bound = new Map<string, GPUBufferBinding>();
    for (const [name, tensor] of [...Object.entries(inputs), ...Object.entries(outputs)]) {
      bound.set(name, bindingOf(this.#own(tensor).block, tensor.byteLength));
    }
    const held: Block[] = [];
    try {
      for (const [name, byteLength] of Object.entries(plan.buffers)) {
        const block = this.#take(byteLength);
        held.push(block);
        bound.set(name, bindingOf(block, byteLength));
      }
      const op = new RecordedOp(signal);
      for (const prepared of steps) {
        if (prepared.step.workgroups > 0) op.dispatches.push(this.#dispatchOf(prepared, bound));
      }
      for (const output of Object.values(outputs)) this.#own(output).writer = op;
      const { recording } = this.#profiler;
      if (recording) recording.record(this.#recorder, op, program);
      else this.#recorder.record(op);
    } finally {
      for (const block of held) this.#buffers.give(block, this.#recorder.recorded);
    }
  }

  async synchronize(): Promise<void> {
    this.#checkUsable();
    this.#recorder.submit();
    await this.#settle(this.gpu.queue.onSubmittedWorkDone());
  }

  profile<T>(work: () => Promise<T>): Promise<Profile<T>> {
    return this.#profiler.profile(() => recordingOn(this.gpu), work);
  }

  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    this.gpu.removeEventListener('uncapturederror', this.#onError);
    if (this.#ownsDevice) this.gpu.destroy();
    else this.#buffers.trim(Number.POSITIVE_INFINITY);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #prepare(problem: Problem): Promise<WebGpuProgram> {
    const plan = planOf(problem, this.#traits);
    const steps = await Promise.all(
      plan.steps.map(async (step) => ({
        step,
        params: this.#uniform(step.params),
        ...(await this.#pipelines.of(step)),
      })),
    );
    return { problem, plan, steps };
  }

  #uniform(words: readonly Word[]): GPUBuffer {
    const size = Math.ceil(words.length / 4) * 16;
    const buffer = this.gpu.createBuffer({ size, usage: usage.uniform, mappedAtCreation: true });
    const view = new DataView(buffer.getMappedRange());
    words.forEach((word, at) => {
      if (typeof word === 'number') view.setInt32(4 * at, word, true);
      else view.setFloat32(4 * at, word.float, true);
    });
    buffer.unmap();
    return buffer;
  }

  #dispatchOf({ step, pipeline, layout, params }: PreparedStep, bound: ReadonlyMap<string, GPUBufferBinding>) {
    const resources = step.bindings.map((name) => bound.get(name) ?? { buffer: this.#zeros });
    const bindGroup = this.gpu.createBindGroup({
      layout,
      entries: [{ buffer: params }, ...resources].map((resource, binding) => ({ binding, resource })),
    });
    // More workgroups than one dimension takes are spread over two.
    const down = Math.ceil(step.workgroups / this.gpu.limits.maxComputeWorkgroupsPerDimension);
    const across = Math.ceil(step.workgroups / down);
    return { pipeline, bindGroup, workgroups: [across, down] as const };
  }

  #take(byteLength: number, quietAt?: number): Block {
    this.#checkUsable();
    if (this.#buffers.wouldExceed(byteLength)) this.#buffers.trim(this.#recorder.submitted);
    const block = this.#buffers.take(byteLength, quietAt);
    if (block) return block;
    const { usedBytes, limitBytes } = this.memory();
    throw new OutOfMemoryError('kernels-webgpu', byteLength, usedBytes, limitBytes);
  }

  /** Waits for the device, and raises what went wrong on it. */
  async #settle(work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      // What waits on a device that goes away is told before the device says that it was lost.
      await Promise.race([this.gpu.lost, new Promise((resolve) => setTimeout(resolve, 100))]);
      this.#checkUsable();
      this.#fail(error as Error);
    }
    this.#checkUsable();
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure) throw failure;
  }

  #fail(error: { message: string }): void {
    this.#failure ??= new FlashMLAError(
      'backend-failed',
      `[kernels-webgpu] the device reported an error: ${error.message} Report it with the name of the device.`,
      { cause: error },
    );
  }

  #checkUsable(): void {
    if (this.#disposed) {
      throw new FlashMLAError('disposed', '[kernels-webgpu] the backend was disposed; open a new one.');
    }
    if (this.#lost) throw this.#lost;
  }

  #own(tensor: DeviceTensor): WebGpuTensor {
    this.#checkUsable();
    checkOwned('[kernels-webgpu]', this, tensor);
    return tensor as WebGpuTensor;
  }
}

function traitsOf({ features, limits, adapterInfo }: GPUDevice): GpuTraits {
  const { subgroupMinSize: min, subgroupMaxSize: max } = adapterInfo;
  return { features, limits, ...(features.has('subgroups') && { subgroupSizes: { min, max } }) };
}

/** At least as much as a shader's smallest view of a buffer. */
function bindingOf({ buffer }: Block, byteLength: number): GPUBufferBinding {
  return { buffer, size: Math.max(16, Math.ceil(byteLength / 4) * 4) };
}

/** The bytes of an array, padded to the words that a queue writes. */
function wholeWords({ buffer, byteOffset, byteLength }: TypedArray): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
  if (byteLength % 4 === 0) return bytes;
  const padded = new Uint8Array(Math.ceil(byteLength / 4) * 4);
  padded.set(bytes);
  return padded;
}
