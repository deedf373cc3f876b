// Reads a safetensors file piece by piece: the header when it is opened, then the range of each tensor that is asked
// for. Nothing is kept but the header, so a file larger than memory works, and no tensor is in memory twice.
// Where the bytes come from (a file, a Blob, HTTP ranges) is the ByteSource's business.

import type { HostTensor } from '../tensor.ts';
import { headerByteLength, LENGTH_BYTES, parseHeader, type TensorInfo } from './header.ts';
import { invalidFile } from './invalid-file.ts';
import { tensorView } from './tensor-view.ts';

/** Bytes that can be read by range. */
export interface ByteSource {
  /** File name or URL, for messages. */
  readonly name?: string;
  readonly byteLength: number;
  /**
   * Exactly `byteLength` bytes from `offset`, in memory that the caller may keep. Both may exceed 2^31.
   * Bytes that start at a multiple of 8 in their ArrayBuffer spare the reader a copy.
   */
  read(offset: number, byteLength: number): Promise<Uint8Array>;
}

/** Tensors by name, each read when it is asked for. */
export interface TensorReader {
  /** What there is to read. */
  readonly names: readonly string[];
  /** dtype, shape and place of a tensor, without reading its elements. */
  info(name: string): Promise<TensorInfo>;
  /** Reads one tensor. Raises FlashMLAError 'invalid-file' when there is none of that name or its bytes are missing. */
  read(name: string): Promise<HostTensor>;
}

/** An open safetensors file. */
export interface SafetensorsReader extends TensorReader {
  /** Free text that the writer left; empty when there is none. */
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Opens a safetensors file: reads its header, and no more.
 *
 * @param fileName for messages; the source's own name when left out
 * @throws FlashMLAError 'invalid-file' that says what is wrong, and of which tensor
 */
export async function openSafetensors(source: ByteSource, fileName = source.name): Promise<SafetensorsReader> {
  const read = async (offset: number, byteLength: number, what: string): Promise<Uint8Array> => {
    if (byteLength === 0) return new Uint8Array(0);
    const bytes = await source.read(offset, byteLength);
    if (bytes.byteLength !== byteLength) {
      throw invalidFile(
        fileName,
        `${what} takes ${byteLength} bytes from byte ${offset}, but ${bytes.byteLength} were read; ` +
          'the file is truncated or was changed while it was open.',
      );
    }
    return bytes;
  };

  const start = await read(0, Math.min(LENGTH_BYTES, source.byteLength), 'the header length');
  const length = headerByteLength(start, source.byteLength, fileName);
  const json = await read(LENGTH_BYTES, length, 'the header');
  const { metadata, tensors } = parseHeader(json, source.byteLength, fileName);

  const find = (name: string): TensorInfo => {
    const info = tensors.get(name);
    if (!info) throw missingTensor(fileName, name, [...tensors.keys()]);
    return info;
  };
  return {
    names: [...tensors.keys()],
    metadata,
    info: async (name) => find(name),
    async read(name) {
      const info = find(name);
      return tensorView(await read(info.byteOffset, info.byteLength, `tensor '${name}'`), info);
    },
  };
}

/** The error for a tensor that is not there; it shows some that are, to make a wrong prefix plain. */
export function missingTensor(file: string | undefined, name: string, names: readonly string[]): Error {
  const some = names.length > 3 ? [...names.slice(0, 3), '…'] : names;
  return invalidFile(file, `no tensor '${name}' among its ${names.length} (${some.join(', ')}).`);
}
