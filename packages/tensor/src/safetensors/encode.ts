// Writes a safetensors file: the header padded with spaces to 8 bytes and larger dtypes first, so that every tensor is
// aligned for its dtype when the file is; byte for byte what the reference implementation writes.

import { FlashMLAError } from '../errors.ts';
import { HostTensor, type Tensor } from '../tensor.ts';
import { dtypeInFile, fileOrder } from './file-dtype.ts';
import { LENGTH_BYTES, MAX_HEADER_BYTES } from './header.ts';

/**
 * A safetensors file of `tensors`. The same tensors give the same bytes, in whatever order they come.
 *
 * @param tensors by name, in host memory
 * @param metadata free text to store under `__metadata__`
 * @throws FlashMLAError 'invalid-argument' for a tensor in device memory, a reserved name, or metadata that is not text
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, Tensor> | Readonly<Record<string, Tensor>>,
  metadata?: Readonly<Record<string, string>>,
): Uint8Array {
  const entries = (tensors instanceof Map ? [...tensors] : (Object.entries(tensors) as [string, Tensor][]))
    .map(([name, tensor]) => ({ name, tensor: checkTensor(name, tensor) }))
    .sort((a, b) => fileOrder(a.tensor.dtype) - fileOrder(b.tensor.dtype) || compareText(a.name, b.name));

  // The parts are joined by hand: an object would move names such as '0' to the front and lose '__proto__'.
  const parts: string[] = [];
  if (metadata) parts.push(`"__metadata__":${JSON.stringify(checkMetadata(metadata))}`);
  let dataBytes = 0;
  for (const { name, tensor } of entries) {
    const end = dataBytes + tensor.array.byteLength;
    const info = { dtype: dtypeInFile(tensor.dtype), shape: tensor.shape, data_offsets: [dataBytes, end] };
    parts.push(`${JSON.stringify(name)}:${JSON.stringify(info)}`);
    dataBytes = end;
  }
  const json = new TextEncoder().encode(`{${parts.join(',')}}`);
  const headerBytes = Math.ceil(json.byteLength / 8) * 8;
  if (headerBytes > MAX_HEADER_BYTES) {
    throw new FlashMLAError(
      'invalid-argument',
      `[tensor] the names and metadata make a header of ${headerBytes} bytes, more than the ${MAX_HEADER_BYTES} ` +
        'that readers accept; put the tensors into several files.',
    );
  }

  const bytes = new Uint8Array(LENGTH_BYTES + headerBytes + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerBytes), true);
  bytes.set(json, LENGTH_BYTES);
  bytes.fill(0x20, LENGTH_BYTES + json.byteLength, LENGTH_BYTES + headerBytes);
  let offset = LENGTH_BYTES + headerBytes;
  for (const { tensor } of entries) {
    const { buffer, byteOffset, byteLength } = tensor.array;
    bytes.set(new Uint8Array(buffer, byteOffset, byteLength), offset);
    offset += byteLength;
  }
  return bytes;
}

function checkTensor(name: string, tensor: Tensor): HostTensor {
  if (name === '__metadata__') {
    throw new FlashMLAError(
      'invalid-argument',
      "[tensor] a tensor is named '__metadata__', which the safetensors format keeps for itself; rename it.",
    );
  }
  if (!(tensor instanceof HostTensor)) {
    throw new FlashMLAError(
      'invalid-argument',
      `[tensor] '${name}' is not a tensor in host memory; give tensor(await t.data(), t.shape, t.dtype).`,
    );
  }
  return tensor;
}

function checkMetadata(metadata: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  for (const [key, value] of Object.entries(metadata)) {
    if (typeof value !== 'string') {
      throw new FlashMLAError(
        'invalid-argument',
        `[tensor] metadata '${key}' is a ${typeof value}; only strings can be stored: convert it.`,
      );
    }
  }
  return metadata;
}

/** By code point, which is the order of the UTF-8 bytes: the reference implementation's, and no language's. */
function compareText(a: string, b: string): number {
  for (let i = 0; i < a.length && i < b.length; i++) {
    if (a[i] !== b[i]) return a.codePointAt(i)! - b.codePointAt(i)!;
  }
  return a.length - b.length;
}
