// A tensor in memory of the addon.

import { DeviceTensor, type DType } from '@flashmla/tensor';
import type { NativeBackend } from './native-backend.ts';
import type { Block } from './native-memory.ts';
import type { Format } from './weights.ts';

export class NativeTensor extends DeviceTensor {
  readonly backend: NativeBackend;
  readonly block: Block;
  /** How it is packed, if the elements are a linear weight in panels (native/linear.hpp) instead of row-major. */
  readonly packed: Format | undefined;
  /** The signal under which the op that writes it was dispatched, and that op's last command. */
  writtenUnder: { readonly signal: AbortSignal; readonly last: number } | undefined;
  /** Reads on their way: the block stays theirs until they have copied it. */
  readers = 0;

  constructor(backend: NativeBackend, block: Block, shape: readonly number[], dtype: DType, packed?: Format) {
    super(shape, dtype, packed?.quantization);
    this.backend = backend;
    this.block = block;
    this.packed = packed;
  }
}
