// A tensor in a texture.

import { DeviceTensor, type DType } from '@flashmla/tensor';
import type { Device, Elements } from './device.ts';
import type { WebGLBackend } from './webgl-backend.ts';

export class WebGLTensor extends DeviceTensor {
  readonly backend: WebGLBackend;
  /** Where its texture is, or will be; another one once it was restored. */
  device: Device;
  /** What it counts for, written or not. */
  readonly textureBytes: number;
  /** The texture: uploaded, or that of the last op that wrote it. None before that, and none for no elements. */
  contents: Elements | undefined;
  /** The aborted signal for which the op that writes it was skipped. */
  skippedFor: AbortSignal | undefined;

  constructor(backend: WebGLBackend, device: Device, shape: readonly number[], dtype: DType, textureBytes: number) {
    super(shape, dtype);
    this.backend = backend;
    this.device = device;
    this.textureBytes = textureBytes;
  }
}
