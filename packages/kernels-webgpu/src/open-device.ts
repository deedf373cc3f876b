// A GPUDevice and all that ends with it: memory, pipelines, programs, what is recorded. When the device is lost the
// backend takes another of these, and this one only tells those who still wait for it what became of it.

import { type DeviceInfo, FlashMLAError, mostPrograms, type Program, Recent } from '@flashmla/tensor';
import { isOnCpu } from './adapter-info.ts';
import { Buffers } from './buffers.ts';
import { usage } from './gpu.ts';
import { type Pipeline, Pipelines } from './pipelines.ts';
import type { GpuPlan, GpuTraits, Step } from './plan.ts';
import { Recorder } from './recorder.ts';

export interface PreparedStep extends Pipeline {
  readonly step: Step;
  readonly params: GPUBuffer;
}

export interface WebGpuProgram extends Program {
  readonly plan: GpuPlan;
  readonly steps: readonly PreparedStep[];
  /** Where its pipelines and parameters are. */
  readonly device: OpenDevice;
}

/** What waits on a device that goes away is told before the device says that it was lost: so long it has to say so. */
const lossMs = 100;

export class OpenDevice {
  readonly gpu: GPUDevice;
  readonly info: DeviceInfo;
  readonly traits: GpuTraits;
  readonly buffers: Buffers;
  readonly recorder: Recorder;
  readonly pipelines: Pipelines;
  readonly programs = new Recent<Promise<WebGpuProgram>>(mostPrograms);
  /** Bound where an optional input is not given. */
  readonly zeros: GPUBuffer;
  /** What went wrong on it since somebody waited last. */
  #failure: FlashMLAError | undefined;
  #gone: Error | undefined;
  readonly #onError = (event: Event) => this.#fail((event as GPUUncapturedErrorEvent).error);

  /** @param advice what a loss is told with: what to do about it */
  constructor(gpu: GPUDevice, info: DeviceInfo, memoryBytes: number, advice: string) {
    this.gpu = gpu;
    this.info = info;
    this.traits = traitsOf(gpu);
    this.buffers = new Buffers(gpu, memoryBytes);
    this.recorder = new Recorder(gpu);
    this.pipelines = new Pipelines(gpu);
    this.zeros = gpu.createBuffer({ size: 256, usage: usage.storage });
    gpu.addEventListener('uncapturederror', this.#onError);
    void gpu.lost.then(({ reason, message }) => {
      const why = message.replace(/\.?\s*$/, '') || reason;
      this.#gone ??= new FlashMLAError(
        'device-lost',
        `[kernels-webgpu] the GPU device was lost (${why}), and with it what was under way. ${advice}`,
      );
    });
  }

  /** Why it can't be used any more, once it was lost or closed. */
  get gone(): Error | undefined {
    return this.#gone;
  }

  checkUsable(): void {
    if (this.#gone) throw this.#gone;
  }

  /** Waits for work on the device. Where that is gone by then, the reason is raised, however the work ended. */
  async unlessGone<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      await Promise.race([this.gpu.lost, new Promise((resolve) => setTimeout(resolve, lossMs))]);
      throw error;
    } finally {
      this.checkUsable();
    }
  }

  /** The same, and raises what went wrong on the device. */
  async settle<T>(work: Promise<T>): Promise<T> {
    const [outcome] = await Promise.allSettled([this.unlessGone(work)]);
    this.checkUsable();
    if (outcome.status === 'rejected') this.#fail(outcome.reason as Error);
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure) throw failure;
    return (outcome as PromiseFulfilledResult<Awaited<T>>).value;
  }

  /** @param reason what whoever uses it from now on is told */
  close(reason: Error, destroy: boolean): void {
    this.#gone ??= reason;
    this.gpu.removeEventListener('uncapturederror', this.#onError);
    if (destroy) this.gpu.destroy();
    else this.buffers.trim(Number.POSITIVE_INFINITY);
  }

  #fail(error: { message: string }): void {
    this.#failure ??= new FlashMLAError(
      'backend-failed',
      `[kernels-webgpu] the device reported an error: ${error.message} Report it with the name of the device.`,
      { cause: error },
    );
  }
}

function traitsOf({ features, limits, adapterInfo }: GPUDevice): GpuTraits {
  const { subgroupMinSize: min, subgroupMaxSize: max } = adapterInfo;
  return {
    features,
    limits,
    onCpu: isOnCpu(adapterInfo),
    ...(features.has('subgroups') && { subgroupSizes: { min, max } }),
  };
}
