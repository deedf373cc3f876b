// A tensor in the WASM memory.

import { DeviceTensor, type DType, type Quantization } from '@flashmla/tensor';
import type { Block } from './allocator.ts';
import type { CpuBackend } from './cpu-backend.ts';

export class CpuTensor extends DeviceTensor {
  readonly backend: CpuBackend;
  readonly block: Block;
  /** Whether the elements are a linear weight in panels of 8 rows (weights.ts) instead of row-major. */
  readonly packed: boolean;
  /** The signal under which the op that writes it was dispatched, and the number of the command after that op's last. */
  writtenUnder: { readonly signal: AbortSignal; readonly end: number } | undefined;
  /** Reads on their way: the block stays theirs until they have copied it. */
  readers = 0;

  constructor(
    backend: CpuBackend,
    block: Block,
    shape: readonly number[],
    dtype: DType,
    packed = false,
    quantization?: Quantization,
  ) {
    super(shape, dtype, quantization);
    this.backend = backend;
    this.block = block;
    this.packed = packed;
  }
}
