// A tensor in memory of the addon.

import { DeviceTensor, type DType, type Storage } from '@flashmla/tensor';
import type { Address } from './addon.ts';
import type { NativeBackend } from './native-backend.ts';
import type { Block } from './native-memory.ts';
import type { Format } from './weights.ts';

/** The signal under which an op was dispatched, and that op's last command. */
export interface Under {
  readonly signal: AbortSignal;
  readonly last: number;
}

export type NativeStorage = Storage<Block, Under>;

export class NativeTensor extends DeviceTensor {
  readonly backend: NativeBackend;
  override readonly storage: NativeStorage;
  override readonly byteOffset: number;
  /** How it is packed, if the elements are a linear weight in panels (native/linear.hpp) instead of row-major. */
  readonly packed: Format | undefined;

  constructor(
    backend: NativeBackend,
    storage: NativeStorage,
    shape: readonly number[],
    dtype: DType,
    { packed, byteOffset = 0 }: { packed?: Format; byteOffset?: number } = {},
  ) {
    super(shape, dtype, packed?.quantization);
    this.backend = backend;
    this.storage = storage;
    this.packed = packed;
    this.byteOffset = byteOffset;
  }

  get address(): Address {
    return this.storage.block.address + this.byteOffset;
  }
}
