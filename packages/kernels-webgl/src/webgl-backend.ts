// The Backend of this package: tensors in textures, ops as passes over them. Passes are handed to the GPU as they are
// dispatched, and it keeps their order, and what they read, by itself.

import {
  arrayOf,
  type Backend,
  ClockedOps,
  checkBindings,
  checkOwned,
  checkShape,
  type DeviceInfo,
  type DeviceTensor,
  type DispatchOptions,
  type DType,
  elementCount,
  FlashMLAError,
  type HostTensor,
  lostWithDevice,
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
  RestorableTensors,
  SharedRecovery,
  type Support,
  type Tensor,
  type Tensors,
  type TypedArray,
  type UploadOptions,
  validateProblem,
} from '@flashmla/tensor';
import type { Device, Elements } from './device.ts';
import { planOf, refusal } from './kernels/index.ts';
import { channelsOfDType, decode, encode, maxElements, textureBytes } from './layout.ts';
import type { WebGLPlan } from './plan.ts';
import { WebGLTensor } from './webgl-tensor.ts';

interface WebGLProgram extends Program {
  readonly plan: WebGLPlan;
  /** Whose textures it is planned for. */
  readonly device: Device;
}

/** A device, and what is known of it. */
export interface GivenDevice {
  readonly device: Device;
  readonly info: DeviceInfo;
}

export interface WebGLBackendOptions extends GivenDevice {
  /** Another device when the context of this one was lost. */
  readonly reopen: () => Promise<GivenDevice>;
  readonly limitBytes: number;
}

export class WebGLBackend implements Backend {
  readonly name = 'webgl';
  readonly #reopen: WebGLBackendOptions['reopen'];
  readonly #limitBytes: number;
  readonly #preferred = new PreferredVariants('[kernels-webgl]');
  #programs = new Recent<WebGLProgram>(mostPrograms);
  readonly #restorable = new RestorableTensors<WebGLTensor>();
  readonly #recovery = new SharedRecovery();
  /** What it runs on; another one once a lost context was recovered. */
  #device: Device;
  #info: DeviceInfo;
  readonly #profiler = new Profiler<ClockedOps>('[kernels-webgl]', this);
  #usedBytes = 0;
  #peakBytes = 0;

  constructor({ device, info, reopen, limitBytes }: WebGLBackendOptions) {
    this.#device = device;
    this.#info = info;
    this.#reopen = reopen;
    this.#limitBytes = limitBytes;
  }

  get device(): DeviceInfo {
    return this.#info;
  }

  supports(problem: Problem): Support {
    validateProblem(problem);
    const refused = refusal(problem, this.#device.maxTextureSize);
    if (refused) return { supported: false, ...refused };
    const { scratchBytes, usefulMultiplyAdds, issuedMultiplyAdds } = planOf(problem, this.#device);
    return { supported: true, scratchBytes, usefulMultiplyAdds, issuedMultiplyAdds };
  }

  allocate(shape: readonly number[], dtype: DType): WebGLTensor {
    this.#device.checkAlive();
    checkShape(shape);
    const elements = elementCount(shape);
    const { maxTextureSize } = this.#device;
    const channels = channelsOfDType(dtype);
    const bytes = elements === 0 ? 0 : textureBytes(elements * channels, maxTextureSize);
    if (elements > maxElements(channels, maxTextureSize)) {
      throw new OutOfMemoryError('kernels-webgl', bytes, this.#usedBytes, this.#limitBytes);
    }
    this.#reserve(bytes);
    return new WebGLTensor(this, this.#device, shape, dtype, bytes);
  }

  upload(source: HostTensor, { restore }: UploadOptions = {}): WebGLTensor {
    const tensor = this.allocate(source.shape, source.dtype);
    tensor.contents = textureOf(source, this.#device);
    if (restore) this.#restorable.add(tensor, restore);
    return tensor;
  }

  async read(source: DeviceTensor): Promise<TypedArray> {
    this.#device.checkAlive();
    const tensor = this.#own(source);
    tensor.skippedFor?.throwIfAborted();
    if (!tensor.contents) {
      await this.#device.finish();
      return new (arrayOf(tensor.dtype))(elementCount(tensor.shape));
    }
    return decode(await this.#device.read(tensor.contents), tensor.dtype);
  }

  free(source: Tensor): void {
    const tensor = source as WebGLTensor;
    const { contents, device } = tensor;
    this.#restorable.delete(tensor);
    tensor.contents = undefined;
    if (device !== this.#device) return;
    this.#usedBytes -= tensor.textureBytes;
    if (contents) device.delete(contents);
  }

  memory(): MemoryInfo {
    const usedBytes = this.#device.lost ? 0 : this.#usedBytes;
    return { usedBytes, peakBytes: this.#peakBytes, limitBytes: this.#limitBytes };
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
    this.#device.checkAlive();
    this.#preferred.choose(problem, oneVariant, variant);
    return this.#programs.get(problemKey(problem), () => {
      validateProblem(problem);
      const refused = refusal(problem, this.#device.maxTextureSize);
      if (refused) {
        throw new FlashMLAError('unsupported', `[kernels-webgl] ${problem.op}: ${refused.reason}; ${refused.advice}.`);
      }
      return { problem, plan: planOf(problem, this.#device), device: this.#device };
    });
  }

  dispatch(program: Program, inputs: Tensors, outputs: Tensors, { signal }: DispatchOptions = {}): void {
    this.#device.checkAlive();
    checkBindings(this, program.problem, inputs, outputs);
    const { plan, device } = program as WebGLProgram;
    if (device !== this.#device) {
      throw new FlashMLAError(
        'device-lost',
        `[kernels-webgl] this program for ${program.problem.op} was lost with the GPU; prepare it again.`,
      );
    }
    const written = Object.values(outputs).map((output) => this.#own(output));
    for (const output of written) {
      output.skippedFor = signal?.aborted ? signal : undefined;
      this.#restorable.delete(output);
    }
    if (signal?.aborted) return;

    const textures = new Map<string, Elements>();
    for (const [name, input] of Object.entries(inputs)) {
      const { contents } = this.#own(input);
      if (contents) textures.set(name, contents);
    }
    this.#reserve(plan.scratchBytes);
    try {
      this.#runSteps(plan, textures);
    } finally {
      this.#usedBytes -= plan.scratchBytes;
    }
    for (const [name, output] of Object.entries(outputs)) {
      const contents = textures.get(name);
      if (!contents) continue;
      const tensor = this.#own(output);
      if (tensor.contents) this.#device.delete(tensor.contents);
      tensor.contents = contents;
    }
    this.#timeOp(program);
  }

  synchronize(): Promise<void> {
    return this.#device.finish();
  }

  async recover(): Promise<void> {
    if (this.#device.lost) await this.#recovery.run((signal) => this.#recover(signal));
  }

  profile<T>(work: () => Promise<T>): Promise<Profile<T>> {
    const description = "by the host's clock at a fence behind each op, which it looks at between other tasks";
    return this.#profiler.profile(() => new ClockedOps(description), work);
  }

  async dispose(): Promise<void> {
    await this.#device.close();
    this.#recovery.abort(new FlashMLAError('disposed', '[kernels-webgl] the backend was disposed; open another.'));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /** Opens another device and uploads to it what can be restored. Only when all of that is there it takes over. */
  async #recover(signal: AbortSignal): Promise<void> {
    const { device, info } = await this.#reopen().catch((cause: Error) => {
      throw new FlashMLAError(
        'backend-unavailable',
        `[kernels-webgl] the GPU was taken away and can't be opened again: ${cause.message} Try later, or use another backend.`,
        { cause },
      );
    });
    try {
      signal.throwIfAborted();
      const restored: [WebGLTensor, Elements | undefined][] = [];
      await this.#restorable.restore(signal, (tensor, elements) => {
        device.checkAlive();
        restored.push([tensor, textureOf(elements, device)]);
      });
      await device.finish();
      signal.throwIfAborted();
      this.#device = device;
      this.#info = info;
      this.#programs = new Recent(mostPrograms);
      this.#usedBytes = 0;
      for (const [tensor, contents] of restored) {
        if (tensor.disposed) {
          if (contents) device.delete(contents);
        } else {
          Object.assign(tensor, { device, contents });
          this.#reserve(tensor.textureBytes);
        }
      }
    } catch (error) {
      await device.close();
      throw error;
    }
  }

  /** Times the op that was just handed to the GPU, if a profile is taken. */
  #timeOp(program: Program): void {
    const { recording } = this.#profiler;
    if (!recording) return;
    const fence = this.#device.mark();
    // What goes wrong on the device is told to whoever synchronizes.
    recording.add(program, () => this.#device.reached(fence)).catch(() => {});
  }

  /** Runs the steps of a plan, and leaves in `textures` the inputs and what was written of the outputs. */
  #runSteps({ steps, last }: WebGLPlan, textures: Map<string, Elements>): void {
    const made = new Set<Elements>();
    const drop = (name: string) => {
      const dropped = textures.get(name);
      if (dropped && made.delete(dropped)) this.#device.delete(dropped);
      textures.delete(name);
    };
    try {
      for (const [i, step] of steps.entries()) {
        const values = Object.fromEntries(
          Object.entries(step.arguments).map(([name, value]) => [
            name,
            typeof value === 'number' ? value : textures.get(value),
          ]),
        );
        const result = this.#device.run(step.shader, step.elements, values);
        drop(step.output);
        textures.set(step.output, result);
        made.add(result);
        for (const name of last[i]!) drop(name);
      }
    } catch (error) {
      for (const texture of made) this.#device.delete(texture);
      throw error;
    }
  }

  #reserve(bytes: number): void {
    if (this.#usedBytes + bytes > this.#limitBytes) {
      throw new OutOfMemoryError('kernels-webgl', bytes, this.#usedBytes, this.#limitBytes);
    }
    this.#usedBytes += bytes;
    this.#peakBytes = Math.max(this.#peakBytes, this.#usedBytes);
  }

  #own(tensor: DeviceTensor): WebGLTensor {
    checkOwned('[kernels-webgl]', this, tensor);
    const own = tensor as WebGLTensor;
    if (own.device !== this.#device) throw lostWithDevice('[kernels-webgl]', own);
    return own;
  }
}

/** A texture with the elements of a tensor; undefined where there are none. */
function textureOf({ array, dtype }: HostTensor, device: Device): Elements | undefined {
  return array.length > 0 ? device.upload(encode(array, dtype), channelsOfDType(dtype)) : undefined;
}
