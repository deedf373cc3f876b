// A tensor in a block of device memory.

import { DeviceTensor, type DType } from '@flashmla/tensor';
import type { CudaBackend } from './cuda-backend.ts';
import type { Block } from './device-memory.ts';
import type { RecordedOp } from './recorder.ts';

export class CudaTensor extends DeviceTensor {
  readonly backend: CudaBackend;
  readonly block: Block;
  /** The op that writes it last, or the uploads of its pieces. */
  writers: RecordedOp[] = [];

  constructor(backend: CudaBackend, block: Block, shape: readonly number[], dtype: DType) {
    super(shape, dtype);
    this.backend = backend;
    this.block = block;
  }

  /** Raises the reason when what writes it was left out or failed. */
  checkWritten(): void {
    for (const { failed } of this.writers) if (failed) throw failed.reason;
  }
}
