// The names that the file format has for dtypes. The 8-bit, 6-bit and 4-bit floats of newer files have no dtype here.

import type { DType } from '../dtype.ts';

// Order matters: writers put tensors into the file in this order, which is the reference implementation's
// (huggingface/safetensors, its Dtype enum from the last to the first). Sizes only fall along it, so that every tensor
// starts at a multiple of its element size.
const FILE_NAMES = {
  uint64: 'U64',
  int64: 'I64',
  float64: 'F64',
  float32: 'F32',
  uint32: 'U32',
  int32: 'I32',
  bfloat16: 'BF16',
  float16: 'F16',
  uint16: 'U16',
  int16: 'I16',
  int8: 'I8',
  uint8: 'U8',
  bool: 'BOOL',
} as const satisfies Record<DType, string>;

const DTYPES = Object.keys(FILE_NAMES) as DType[];
const DTYPE_OF = new Map<unknown, DType>(DTYPES.map((dtype) => [FILE_NAMES[dtype], dtype]));

/** Names that a file may use, as a message lists them. */
export const knownFileDTypes = Object.values(FILE_NAMES).join(', ');

/** The dtype that a file calls `name`; undefined when there is none. */
export function dtypeFromFile(name: unknown): DType | undefined {
  return DTYPE_OF.get(name);
}

/** What a file calls `dtype`. */
export function dtypeInFile(dtype: DType): string {
  return FILE_NAMES[dtype];
}

/** Position of `dtype` in a file: lower comes first. */
export function fileOrder(dtype: DType): number {
  return DTYPES.indexOf(dtype);
}
