// Element types: their names, sizes and the TypedArrays that hold them.
// float16 and bfloat16 travel as their 16-bit patterns in a Uint16Array (half.ts converts).

import { FlashMLAError } from './errors.ts';

export type TypedArray =
  | Float64Array
  | Float32Array
  | BigInt64Array
  | BigUint64Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array;

const ARRAY_OF = {
  float64: Float64Array,
  float32: Float32Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const;

export type DType = keyof typeof ARRAY_OF;

/** What the floats of an op may be: what activations and weights are stored in. Sums are float32 whatever they are. */
export type FloatDType = 'float32' | 'float16' | 'bfloat16';

export const floatDTypes: readonly FloatDType[] = ['float32', 'float16', 'bfloat16'];

/** What weights of `linear` may be quantized to, and its inputs as they come: see ops/linear.ts. */
export type Quantization = 'int8';

/** What a model is kept and computed in: all floats in one type, or float32 with the products of `linear` in int8. */
export type Precision = FloatDType | Quantization;

export const precisions: readonly Precision[] = [...floatDTypes, 'int8'];

/** What the floats of a precision are stored in. */
export const floatsOf = (precision: Precision): FloatDType => (precision === 'int8' ? 'float32' : precision);

export const isFloatDType = (dtype: DType): dtype is FloatDType => floatDTypes.includes(dtype as FloatDType);

/** The TypedArray constructor that holds elements of `dtype`. */
export function arrayOf(dtype: DType): (typeof ARRAY_OF)[DType] {
  const arrayType = ARRAY_OF[dtype];
  if (!arrayType) {
    throw new FlashMLAError(
      'invalid-argument',
      `[tensor] unknown dtype '${dtype}'; expected one of ${Object.keys(ARRAY_OF).join(', ')}.`,
    );
  }
  return arrayType;
}

/** Bytes of one element. */
export function byteSize(dtype: DType): number {
  return arrayOf(dtype).BYTES_PER_ELEMENT;
}

/** The dtype a TypedArray holds when the caller names none. */
export function dtypeOf(data: TypedArray): DType {
  for (const dtype of Object.keys(ARRAY_OF) as DType[]) {
    if (dtype !== 'float16' && dtype !== 'bfloat16' && data instanceof ARRAY_OF[dtype]) return dtype;
  }
  throw new FlashMLAError('invalid-argument', '[tensor] data must be a TypedArray; give one, or name its dtype.');
}
