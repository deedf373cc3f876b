// Pipelines, made once for each source text; those used last are kept.

import { FlashMLAError, Recent } from '@flashmla/tensor';
import { shaderStageCompute } from './gpu.ts';
import type { Step } from './plan.ts';
import { sourceOf, writesOf } from './shaders.ts';

export interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** Few sources have constants that vary with the length. */
const mostPipelines = 256;

export class Pipelines {
  readonly #device: GPUDevice;
  readonly #pipelines = new Recent<Promise<Pipeline>>(mostPipelines);

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** The pipeline of a step. Rejects with 'backend-failed' when the device's compiler refuses it. */
  of({ shader, constants, dtype }: Step): Promise<Pipeline> {
    const source = sourceOf(shader, constants, dtype);
    return this.#pipelines.get(source, () => this.#make(shader, source));
  }

  async #make(shader: string, source: string): Promise<Pipeline> {
    const device = this.#device;
    const storage = writesOf(source).map(
      (writes) => (writes ? 'storage' : 'read-only-storage') as GPUBufferBindingType,
    );
    const layout = device.createBindGroupLayout({
      label: shader,
      entries: ['uniform' as GPUBufferBindingType, ...storage].map((type, binding) => ({
        binding,
        visibility: shaderStageCompute,
        buffer: { type },
      })),
    });
    // What the compiler says is told once, below, and not to those who wait for other work.
    device.pushErrorScope('validation');
    const module = device.createShaderModule({ label: shader, code: source });
    void device.popErrorScope();
    try {
      const pipeline = await device.createComputePipelineAsync({
        label: shader,
        layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: { module, entryPoint: 'main' },
      });
      return { pipeline, layout };
    } catch (cause) {
      const { messages } = await module.getCompilationInfo();
      const lines = messages.map(({ lineNum, message }) => `line ${lineNum}: ${message}`);
      throw new FlashMLAError(
        'backend-failed',
        `[kernels-webgpu] this device does not compile ${shader}.wgsl: ${lines.join('; ') || (cause as Error).message}. ` +
          'Use another backend, and report it with the name of the device.',
        { cause },
      );
    }
  }
}
