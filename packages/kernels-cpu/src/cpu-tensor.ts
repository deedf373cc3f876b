// A tensor in the WASM memory.

import { DeviceTensor, type DType, type Quantization, type Storage } from '@flashmla/tensor';
import type { Block } from './allocator.ts';
import type { CpuBackend } from './cpu-backend.ts';

/** The signal under which an op was dispatched, and the number of the command after that op's last. */
export interface Under {
  readonly signal: AbortSignal;
  readonly end: number;
}

export type CpuStorage = Storage<Block, Under>;

interface CpuTensorOptions {
  packed?: boolean;
  quantization?: Quantization | undefined;
  byteOffset?: number;
}

export class CpuTensor extends DeviceTensor {
  readonly backend: CpuBackend;
  override readonly storage: CpuStorage;
  override readonly byteOffset: number;
  /** Whether the elements are a linear weight in panels of 8 rows (weights.ts) instead of row-major. */
  readonly packed: boolean;

  constructor(
    backend: CpuBackend,
    storage: CpuStorage,
    shape: readonly number[],
    dtype: DType,
    { packed = false, quantization, byteOffset = 0 }: CpuTensorOptions = {},
  ) {
    super(shape, dtype, quantization);
    this.backend = backend;
    this.storage = storage;
    this.packed = packed;
    this.byteOffset = byteOffset;
  }

  /** In the WASM memory. */
  get offset(): number {
    return this.storage.block.offset + this.byteOffset;
  }
}
