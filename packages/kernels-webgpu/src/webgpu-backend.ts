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
  lostWithDevice,
  type MemoryInfo,
  OutOfMemoryError,
  type Problem,
  type Profile,
  Profiler,
  type Program,
  problemKey,
  RestorableTensors,
  SharedRecovery,
  type Support,
  type Tensor,
  type Tensors,
  type TypedArray,
  type UploadOptions,
  validateProblem,
} from '@flashmla/tensor';
import type { Block } from './buffers.ts';
import { mapModeRead, usage } from './gpu.ts';
import { type GpuRecording, recordingOn } from './gpu-recording.ts';
import { planOf, refusal } from './kernels/index.ts';
import { OpenDevice, type PreparedStep, type WebGpuProgram } from './open-device.ts';
import type { Word } from './plan.ts';
import { RecordedOp } from './recorder.ts';
import { WebGpuTensor } from './webgpu-tensor.ts';

/** A device, and what is known of it. */
export interface GivenDevice {
  readonly device: GPUDevice;
  readonly info: DeviceInfo;
}

export interface WebGpuBackendOptions extends GivenDevice {
  /** Another device when this one was lost. Without it the device is the caller's: neither replaced nor destroyed. */
  readonly reopen?: (() => Promise<GivenDevice>) | undefined;
  readonly memoryBytes: number;
}

const again = 'Run it again: models and modules recover by themselves, who calls the backend calls recover() first.';
const callersOwn = "It is the caller's own: open a new backend with a new device.";

export class WebGpuBackend implements Backend {
  readonly name = 'webgpu';
  readonly #reopen: WebGpuBackendOptions['reopen'];
  readonly #limitBytes: number;
  readonly #restorable = new RestorableTensors<WebGpuTensor>();
  readonly #recovery = new SharedRecovery();
  /** What it runs on; another one once a lost device was recovered. */
  #open: OpenDevice;
  /** The most that was in use on devices before this one. */
  #peakBefore = 0;
  readonly #profiler = new Profiler<GpuRecording>('[kernels-webgpu]', this);
  #disposed = false;

  constructor({ device, info, reopen, memoryBytes }: WebGpuBackendOptions) {
    this.#reopen = reopen;
    this.#limitBytes = memoryBytes;
    this.#open = this.#openOn({ device, info });
  }

  get device(): DeviceInfo {
    return this.#open.info;
  }

  /** The device it runs on; another one after a recovery. */
  get gpu(): GPUDevice {
    return this.#open.gpu;
  }

  /** Command buffers submitted to the device so far. */
  get submits(): number {
    return this.#open.recorder.submits;
  }

  supports(problem: Problem): Support {
    validateProblem(problem);
    const { traits } = this.#open;
    const refused = refusal(problem, traits);
    if (refused) return { supported: false, ...refused };
    const { scratchBytes, usefulMultiplyAdds, issuedMultiplyAdds } = planOf(problem, traits);
    return { supported: true, scratchBytes, usefulMultiplyAdds, issuedMultiplyAdds };
  }

  allocate(shape: readonly number[], dtype: DType): WebGpuTensor {
    this.#checkUsable();
    return new WebGpuTensor(this, this.#take(elementCount(shape) * byteSize(dtype)), shape, dtype);
  }

  upload(source: HostTensor, { restore }: UploadOptions = {}): WebGpuTensor {
    this.#checkUsable();
    const tensor = new WebGpuTensor(this, this.#write(source), source.shape, source.dtype);
    if (restore) this.#restorable.add(tensor, restore);
    return tensor;
  }

  async read(source: DeviceTensor): Promise<TypedArray> {
    const tensor = this.#own(source);
    const { writer, dtype } = tensor;
    const elements = elementCount(tensor.shape);
    // What it waits for is on this device, whatever the backend runs on by then.
    const open = this.#open;
    open.recorder.submit();
    if (writer?.skipped) throw writer.signal!.reason;
    const size = Math.ceil((elements * byteSize(dtype)) / 4) * 4;
    if (size === 0) return new (arrayOf(dtype))(0);
    const staging = open.gpu.createBuffer({ size, usage: usage.mapRead | usage.copyDestination });
    try {
      const encoder = open.gpu.createCommandEncoder();
      encoder.copyBufferToBuffer(tensor.block.buffer, 0, staging, 0, size);
      open.gpu.queue.submit([encoder.finish()]);
      const bytes = await open.settle(staging.mapAsync(mapModeRead).then(() => staging.getMappedRange().slice(0)));
      return new (arrayOf(dtype))(bytes, 0, elements);
    } finally {
      staging.destroy();
    }
  }

  free(source: Tensor): void {
    const tensor = source as WebGpuTensor;
    const { buffers, recorder } = this.#open;
    this.#restorable.delete(tensor);
    if (buffers.owns(tensor.block)) buffers.give(tensor.block, recorder.recorded);
  }

  memory(): MemoryInfo {
    const { gone, buffers } = this.#open;
    const peakBytes = Math.max(this.#peakBefore, buffers.peakBytes);
    return { usedBytes: gone ? 0 : buffers.usedBytes, peakBytes, limitBytes: this.#limitBytes };
  }

  resetPeak(): void {
    this.#peakBefore = 0;
    this.#open.buffers.resetPeak();
  }

  async prepare(problem: Problem): Promise<Program> {
    this.#checkUsable();
    const open = this.#open;
    const program = open.programs.get(problemKey(problem), () => {
      validateProblem(problem);
      const refused = refusal(problem, open.traits);
      if (!refused) return this.#prepare(problem);
      throw new FlashMLAError('unsupported', `[kernels-webgpu] ${problem.op}: ${refused.reason}; ${refused.advice}.`);
    });
    return open.unlessGone(program);
  }

  dispatch(program: Program, inputs: Tensors, outputs: Tensors, { signal }: DispatchOptions = {}): void {
    this.#checkUsable();
    checkBindings(this, program.problem, inputs, outputs);
    const { plan, steps, device } = program as WebGpuProgram;
    if (device !== this.#open) {
      throw new FlashMLAError(
        'device-lost',
        `[kernels-webgpu] this program for ${program.problem.op} was lost with the GPU device; prepare it again.`,
      );
    }
    const { buffers, recorder } = device;
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
      for (const output of Object.values(outputs)) {
        const written = this.#own(output);
        written.writer = op;
        this.#restorable.delete(written);
      }
      const { recording } = this.#profiler;
      if (recording) recording.record(recorder, op, program);
      else recorder.record(op);
    } finally {
      for (const block of held) buffers.give(block, recorder.recorded);
    }
  }

  async synchronize(): Promise<void> {
    this.#checkUsable();
    const open = this.#open;
    open.recorder.submit();
    await open.settle(open.gpu.queue.onSubmittedWorkDone());
  }

  async recover(): Promise<void> {
    const { gone } = this.#open;
    const reopen = this.#reopen;
    if (!gone) return;
    if (this.#disposed || !reopen) throw gone;
    await this.#recovery.run((signal) => this.#recover(reopen, signal));
  }

  profile<T>(work: () => Promise<T>): Promise<Profile<T>> {
    return this.#profiler.profile(() => recordingOn(this.gpu), work);
  }

  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    const disposed = new FlashMLAError('disposed', '[kernels-webgpu] the backend was disposed; open a new one.');
    this.#open.close(disposed, this.#reopen !== undefined);
    this.#recovery.abort(disposed);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /** Opens another device and uploads to it what can be restored. Only when all of that is there it takes over. */
  async #recover(reopen: () => Promise<GivenDevice>, signal: AbortSignal): Promise<void> {
    const given = await reopen().catch((cause: Error) => {
      throw new FlashMLAError(
        'backend-unavailable',
        `[kernels-webgpu] the GPU device was lost and can't be opened again: ${cause.message} Try later, or use another backend.`,
        { cause },
      );
    });
    const open = this.#openOn(given);
    try {
      signal.throwIfAborted();
      const restored: [WebGpuTensor, Block][] = [];
      await this.#restorable.restore(signal, (tensor, elements) => {
        open.checkUsable();
        restored.push([tensor, this.#write(elements, open)]);
      });
      await open.settle(open.gpu.queue.onSubmittedWorkDone());
      signal.throwIfAborted();
      this.#peakBefore = this.memory().peakBytes;
      this.#open = open;
      for (const [tensor, block] of restored) {
        if (tensor.disposed) open.buffers.give(block, 0);
        else tensor.block = block;
      }
    } catch (error) {
      open.close(error as Error, true);
      throw error;
    }
  }

  #openOn({ device, info }: GivenDevice): OpenDevice {
    return new OpenDevice(device, info, this.#limitBytes, this.#reopen ? again : callersOwn);
  }

  async #prepare(problem: Problem): Promise<WebGpuProgram> {
    const device = this.#open;
    const plan = planOf(problem, device.traits);
    const steps = await Promise.all(
      plan.steps.map(async (step) => ({
        step,
        params: this.#uniform(step.params),
        ...(await device.pipelines.of(step)),
      })),
    );
    return { problem, plan, steps, device };
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
    const resources = step.bindings.map((name) => bound.get(name) ?? { buffer: this.#open.zeros });
    const bindGroup = this.gpu.createBindGroup({
      layout,
      entries: [{ buffer: params }, ...resources].map((resource, binding) => ({ binding, resource })),
    });
    // More workgroups than one dimension takes are spread over two.
    const down = Math.ceil(step.workgroups / this.gpu.limits.maxComputeWorkgroupsPerDimension);
    const across = Math.ceil(step.workgroups / down);
    return { pipeline, bindGroup, workgroups: [across, down] as const };
  }

  /** Memory with the elements of a tensor, there before everything that is not submitted yet. */
  #write({ array }: HostTensor, open = this.#open): Block {
    const block = this.#take(array.byteLength, open.recorder.submitted, open);
    if (array.byteLength > 0) open.gpu.queue.writeBuffer(block.buffer, 0, wholeWords(array));
    return block;
  }

  #take(byteLength: number, quietAt?: number, { buffers, recorder } = this.#open): Block {
    if (buffers.wouldExceed(byteLength)) buffers.trim(recorder.submitted);
    const block = buffers.take(byteLength, quietAt);
    if (block) return block;
    throw new OutOfMemoryError('kernels-webgpu', byteLength, buffers.usedBytes, this.#limitBytes);
  }

  #checkUsable(): void {
    this.#open.checkUsable();
  }

  #own(given: DeviceTensor): WebGpuTensor {
    this.#checkUsable();
    checkOwned('[kernels-webgpu]', this, given);
    const tensor = given as WebGpuTensor;
    if (!this.#open.buffers.owns(tensor.block)) throw lostWithDevice('[kernels-webgpu]', tensor);
    return tensor;
  }
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
