// Safetensors files in memory, for the tests of reading and writing them.

import { expect } from 'vitest';
import { arrayOf, byteSize, type DType } from '../src/dtype.ts';
import type { ByteSource } from '../src/safetensors/reader.ts';
import { elementCount } from '../src/shape.ts';
import { type HostTensor, tensor } from '../src/tensor.ts';

/** A tensor of `dtype` whose bytes are `fill`, fill + 1, … */
export function counting(dtype: DType, shape: number[], fill = 1): HostTensor {
  const bytes = Uint8Array.from({ length: elementCount(shape) * byteSize(dtype) }, (_, i) => i + fill);
  return tensor(new (arrayOf(dtype))(bytes.buffer), shape, dtype);
}

export const bytesOf = ({ array }: HostTensor) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

export interface Recorded extends ByteSource {
  reads: [offset: number, byteLength: number][];
}

/** A source over bytes in memory that remembers what was read. */
export function recorded(bytes: Uint8Array, name?: string): Recorded {
  const reads: [number, number][] = [];
  return {
    ...(name === undefined ? {} : { name }),
    byteLength: bytes.byteLength,
    reads,
    async read(offset, byteLength) {
      reads.push([offset, byteLength]);
      return bytes.slice(offset, offset + byteLength);
    },
  };
}

export function invalidFile(message: RegExp) {
  return expect.objectContaining({
    name: 'FlashMLAError',
    code: 'invalid-file',
    message: expect.stringMatching(message),
  });
}
