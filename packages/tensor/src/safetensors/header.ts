// The head of a safetensors file: 8 bytes of header length (little-endian), then that many bytes of JSON, then data.
// Everything a file claims is checked here against the file's size, before any tensor is touched; whoever holds a
// Header may trust it. The rules are those of the reference implementation (huggingface/safetensors): tensors cover
// the data exactly, without overlap and without a hole, in which foreign bytes could hide.

import { byteSize, type DType } from '../dtype.ts';
import { elementCount, formatShape } from '../shape.ts';
import { dtypeFromFile, knownFileDTypes } from './file-dtype.ts';
import { invalidFile, isJsonObject, quote } from './invalid-file.ts';

/** Bytes of the header length that opens a file. */
export const LENGTH_BYTES = 8;

/** Longest header that is accepted, in bytes; the reference implementation's limit. */
export const MAX_HEADER_BYTES = 100_000_000;

/** What a file says about one tensor. */
export interface TensorInfo {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Where the elements start, in bytes from the start of the file. */
  readonly byteOffset: number;
  readonly byteLength: number;
}

export interface Header {
  /** Free text that the writer left; empty when there is none. */
  readonly metadata: Readonly<Record<string, string>>;
  /** By name, in the order of the data. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
}

/**
 * The length of the header in bytes, not counting the 8 that hold it.
 *
 * @param start at least the first 8 bytes of the file, or all of a shorter one
 * @param fileBytes byte length of the whole file
 */
export function headerByteLength(start: Uint8Array, fileBytes: number, file?: string): number {
  if (fileBytes < LENGTH_BYTES) {
    throw invalidFile(
      file,
      `${fileBytes} bytes long, but a safetensors file starts with ${LENGTH_BYTES} bytes of header length; ` +
        'it is empty, truncated or of another format.',
    );
  }
  const length = new DataView(start.buffer, start.byteOffset, LENGTH_BYTES).getBigUint64(0, true);
  if (length > MAX_HEADER_BYTES) {
    throw invalidFile(
      file,
      `the header claims ${length} bytes, more than the ${MAX_HEADER_BYTES} allowed; ` +
        'it is most likely not a safetensors file.',
    );
  }
  if (LENGTH_BYTES + Number(length) > fileBytes) {
    throw invalidFile(
      file,
      `the header claims ${length} bytes, beyond the end of the file of ${fileBytes} bytes; it is truncated.`,
    );
  }
  return Number(length);
}

/**
 * Reads and checks a header.
 *
 * @param json the header's bytes, without the 8 of its length
 * @param fileBytes byte length of the whole file
 * @param file its name, for messages
 * @throws FlashMLAError 'invalid-file' that says what is wrong, and of which tensor
 */
export function parseHeader(json: Uint8Array, fileBytes: number, file?: string): Header {
  const dataStart = LENGTH_BYTES + json.byteLength;
  const { __metadata__, ...entries } = parseJson(json, file);
  const metadata = checkMetadata(__metadata__, file);
  const tensors = Object.entries(entries)
    .map(([name, entry]) => [name, checkEntry(name, entry, dataStart, fileBytes, file)] as const)
    .sort(([, a], [, b]) => a.byteOffset - b.byteOffset || a.byteLength - b.byteLength);
  checkCoverage(tensors, dataStart, fileBytes, file);
  return { metadata, tensors: new Map(tensors) };
}

function parseJson(json: Uint8Array, file?: string): Record<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(json));
  } catch (cause) {
    throw invalidFile(file, 'the header is not JSON in UTF-8; the file is damaged or of another format.', { cause });
  }
  if (!isJsonObject(header)) {
    throw invalidFile(file, `the header is ${quote(header)}, but a JSON object of tensors by name was expected.`);
  }
  return header;
}

function checkMetadata(metadata: unknown, file?: string): Record<string, string> {
  if (metadata === undefined || metadata === null) return {};
  if (!isJsonObject(metadata)) {
    throw invalidFile(file, `__metadata__ is ${quote(metadata)}, but a JSON object of strings was expected.`);
  }
  for (const [key, value] of Object.entries(metadata)) {
    if (typeof value !== 'string') {
      throw invalidFile(file, `__metadata__ holds ${quote(value)} under '${key}', but only strings are allowed.`);
    }
  }
  return metadata as Record<string, string>;
}

function checkEntry(name: string, entry: unknown, dataStart: number, fileBytes: number, file?: string): TensorInfo {
  const fail = (problem: string) => invalidFile(file, `tensor '${name}' ${problem}`);
  if (!isJsonObject(entry)) {
    throw fail(`is described by ${quote(entry)}, but { dtype, shape, data_offsets } was expected.`);
  }
  const dtype = dtypeFromFile(entry.dtype);
  if (dtype === undefined) {
    throw fail(`has the unknown dtype ${quote(entry.dtype)}; known are ${knownFileDTypes}. Convert the file to one.`);
  }
  const { shape, data_offsets: offsets } = entry;
  if (!isWholeNumbers(shape)) {
    throw fail(`has the shape ${quote(shape)}, but a list of whole numbers ≥ 0 was expected.`);
  }
  if (!isWholeNumbers(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!) {
    throw fail(
      `has the data_offsets ${quote(offsets)}, but [start, end] was expected, whole numbers, 0 ≤ start ≤ end.`,
    );
  }
  const [start, end] = offsets as [number, number];
  const byteLength = elementCount(shape) * byteSize(dtype);
  if (end - start !== byteLength) {
    throw fail(
      `has data_offsets ${quote(offsets)}, ${end - start} bytes, but ${dtype} of shape ${formatShape(shape)} ` +
        `takes ${byteLength}; the file is damaged.`,
    );
  }
  if (dataStart + end > fileBytes) {
    throw fail(
      `ends at byte ${dataStart + end}, but the file has ${fileBytes} bytes; it is truncated: download it again.`,
    );
  }
  return { dtype, shape, byteOffset: dataStart + start, byteLength };
}

function isWholeNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}

/** `tensors` in order of offset. */
function checkCoverage(
  tensors: readonly (readonly [string, TensorInfo])[],
  dataStart: number,
  fileBytes: number,
  file?: string,
): void {
  let end = dataStart;
  let before = '';
  for (const [name, info] of tensors) {
    if (info.byteOffset < end) {
      throw invalidFile(file, `tensors '${before}' and '${name}' overlap in the data; the file is damaged.`);
    }
    if (info.byteOffset > end) {
      throw invalidFile(
        file,
        `a hole of ${info.byteOffset - end} bytes lies before the data of tensor '${name}'; ` +
          'tensors must follow each other without holes.',
      );
    }
    end += info.byteLength;
    before = name;
  }
  if (end < fileBytes) {
    throw invalidFile(
      file,
      `${fileBytes - end} bytes after the last tensor belong to no tensor; the data must end with the last tensor.`,
    );
  }
}
