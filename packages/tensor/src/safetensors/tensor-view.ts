// From bytes of a file to a tensor. The file is little-endian, and so is every machine that JavaScript runs on.

import { arrayOf } from '../dtype.ts';
import { type HostTensor, tensor } from '../tensor.ts';
import type { TensorInfo } from './header.ts';

/** The tensor whose elements are `bytes`: a view where they are aligned for it, otherwise a copy of them alone. */
export function tensorView(bytes: Uint8Array, { dtype, shape, byteLength }: TensorInfo): HostTensor {
  const array = arrayOf(dtype);
  // The constructor copies; slice() would not do for Node's Buffer, whose slice is a view.
  const aligned = bytes.byteOffset % array.BYTES_PER_ELEMENT === 0 ? bytes : new Uint8Array(bytes);
  // The cast is for the compiler alone: a view over a SharedArrayBuffer is as good.
  const buffer = aligned.buffer as ArrayBuffer;
  const elements = new array(buffer, aligned.byteOffset, byteLength / array.BYTES_PER_ELEMENT);
  return tensor(elements, shape, dtype);
}
