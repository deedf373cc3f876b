// Bytes and Blobs in memory as sources.

import type { ByteSource } from '@flashmla/tensor';

/** What it reads shares the memory of `bytes`. */
export function bytesSource(bytes: Uint8Array, name: string): ByteSource {
  return {
    name,
    byteLength: bytes.byteLength,
    read: async (offset, byteLength) => bytes.subarray(offset, offset + byteLength),
  };
}

export function blobSource(blob: Blob, name: string): ByteSource {
  return {
    name,
    byteLength: blob.size,
    read: async (offset, byteLength) => new Uint8Array(await blob.slice(offset, offset + byteLength).arrayBuffer()),
  };
}
