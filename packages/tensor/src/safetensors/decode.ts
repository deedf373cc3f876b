// A safetensors file that is already in memory, whole. For big files see reader.ts.

import { FlashMLAError } from '../errors.ts';
import { describeValue } from '../expect.ts';
import type { HostTensor } from '../tensor.ts';
import { type Header, headerByteLength, LENGTH_BYTES, parseHeader } from './header.ts';
import { tensorView } from './tensor-view.ts';

/**
 * The tensors of a safetensors file, by name, in the order of the data.
 * They share the memory of `bytes`; only a tensor whose data are not aligned for its dtype is copied.
 *
 * @param bytes the whole file
 * @param fileName for messages
 * @throws FlashMLAError 'invalid-file' that says what is wrong, and of which tensor
 */
export function decodeSafetensors(bytes: Uint8Array, fileName?: string): Map<string, HostTensor> {
  const tensors = new Map<string, HostTensor>();
  for (const [name, info] of headerOf(bytes, fileName).tensors) {
    tensors.set(name, tensorView(bytes.subarray(info.byteOffset, info.byteOffset + info.byteLength), info));
  }
  return tensors;
}

/** The free text in a safetensors file (`__metadata__`); empty when there is none. Errors as decodeSafetensors. */
export function safetensorsMetadata(bytes: Uint8Array, fileName?: string): Readonly<Record<string, string>> {
  return headerOf(bytes, fileName).metadata;
}

function headerOf(bytes: Uint8Array, fileName?: string): Header {
  if (!(bytes instanceof Uint8Array)) {
    throw new FlashMLAError(
      'invalid-argument',
      `[tensor] the file is ${describeValue(bytes)}; expected its bytes in a Uint8Array: new Uint8Array(buffer).`,
    );
  }
  const length = headerByteLength(bytes, bytes.byteLength, fileName);
  return parseHeader(bytes.subarray(LENGTH_BYTES, LENGTH_BYTES + length), bytes.byteLength, fileName);
}
