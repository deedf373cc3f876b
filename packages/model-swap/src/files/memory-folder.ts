// A model whose files the caller holds: bytes, Blobs (a browser's file picker gives those) or sources of its own.

import { type ByteSource, describeValue, FlashMLAError } from '@flashmla/tensor';
import type { ModelFiles, ModelFolder } from './model-folder.ts';

export function memoryFolder(files: ModelFiles): ModelFolder {
  return {
    name: 'the given files',
    async open(fileName) {
      const file = Object.hasOwn(files, fileName) ? files[fileName] : undefined;
      if (!file) return undefined;
      if (file instanceof Uint8Array) return bytesSource(file, fileName);
      if (file instanceof Blob) return blobSource(file, fileName);
      if (typeof file.read === 'function' && Number.isSafeInteger(file.byteLength)) return file;
      throw new FlashMLAError(
        'invalid-argument',
        `[model-swap] the file ${fileName} is ${describeValue(file)}; expected a Uint8Array, a Blob or { byteLength, read }.`,
      );
    },
  };
}

/** Bytes in memory as a source; what it reads shares that memory. */
export function bytesSource(bytes: Uint8Array, name: string): ByteSource {
  return {
    name,
    byteLength: bytes.byteLength,
    read: async (offset, byteLength) => bytes.subarray(offset, offset + byteLength),
  };
}

function blobSource(blob: Blob, name: string): ByteSource {
  return {
    name,
    byteLength: blob.size,
    read: async (offset, byteLength) => new Uint8Array(await blob.slice(offset, offset + byteLength).arrayBuffer()),
  };
}
