// A tensor in a buffer of its own.

import { DeviceTensor, type DType } from '@flashmla/tensor';
import type { Block } from './buffers.ts';
import type { RecordedOp } from './recorder.ts';
import type { WebGpuBackend } from './webgpu-backend.ts';

export class WebGpuTensor extends DeviceTensor {
  readonly backend: WebGpuBackend;
  /** Another one once the tensor was restored on a new device. */
  block: Block;
  /** The op that writes it. */
  writer: RecordedOp | undefined;

  constructor(backend: WebGpuBackend, block: Block, shape: readonly number[], dtype: DType) {
    super(shape, dtype);
    this.backend = backend;
    this.block = block;
  }
}
