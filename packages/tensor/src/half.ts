// float16 (IEEE 754 binary16) and bfloat16 (the upper half of a float32), held as their 16-bit patterns.
// Every conversion rounds once, to nearest, ties to even, and overflows to infinity. Widening is exact.
// The array forms keep a NaN's sign and payload bits, so that widening and narrowing again gives the same pattern;
// the scalar forms return the canonical NaN, since a JavaScript number does not show which NaN it is.

import { arrayOf, type DType, type FloatDType, type TypedArray } from './dtype.ts';
import { FlashMLAError } from './errors.ts';

interface HalfFormat {
  /** Stored mantissa bits; the pattern of 1.0 at exponent e is (e + bias) << mantissaBits. */
  readonly mantissaBits: number;
  /** Exponent of the smallest normal number. Subnormals are whole multiples of 2^(minExponent - mantissaBits). */
  readonly minExponent: number;
  /** The power of two past the largest number. */
  readonly overflow: number;
  readonly infinity: number;
  readonly nan: number;
}

const FLOAT16: HalfFormat = { mantissaBits: 10, minExponent: -14, overflow: 2 ** 16, infinity: 0x7c00, nan: 0x7e00 };
const BFLOAT16: HalfFormat = { mantissaBits: 7, minExponent: -126, overflow: 2 ** 128, infinity: 0x7f80, nan: 0x7fc0 };

const SIGN = 0x8000;

// A double ≥ 2^52 has no fraction: adding it and taking it away rounds a smaller magnitude to a whole number,
// to nearest even, in the hardware's own rounding.
const TWO_52 = 2 ** 52;
const roundToEven = (magnitude: number): number => magnitude + TWO_52 - TWO_52;

/** The float16 pattern nearest to `value`. Rounds once, from the double itself. */
export function numberToFloat16(value: number): number {
  return encode(value, FLOAT16);
}

/** The number that a float16 pattern stands for. */
export function float16ToNumber(bits: number): number {
  return decode(bits, FLOAT16);
}

/** The bfloat16 pattern nearest to `value`. Rounds once, from the double itself. */
export function numberToBfloat16(value: number): number {
  return encode(value, BFLOAT16);
}

/** The number that a bfloat16 pattern stands for. */
export function bfloat16ToNumber(bits: number): number {
  return decode(bits, BFLOAT16);
}

/** What gives the number that `dtype` has nearest to a number: rounds once, from the double itself. */
export function roundingTo(dtype: FloatDType): (value: number) => number {
  if (dtype === 'float16') return (value) => round(value, FLOAT16);
  if (dtype === 'bfloat16') return (value) => round(value, BFLOAT16);
  return Math.fround;
}

function round(value: number, format: HalfFormat): number {
  if (Number.isNaN(value)) return Number.NaN;
  const magnitude = Math.abs(value);
  if (magnitude >= format.overflow) return value * Number.POSITIVE_INFINITY;
  const step = powerOfTwo(stepExponentOf(magnitude, format));
  const rounded = roundToEven(magnitude / step) * step;
  const held = rounded < format.overflow ? rounded : Number.POSITIVE_INFINITY;
  return isNegative(value) ? -held : held;
}

function encode(value: number, format: HalfFormat): number {
  if (Number.isNaN(value)) return format.nan;
  const sign = isNegative(value) ? SIGN : 0;
  const magnitude = Math.abs(value);
  if (magnitude >= format.overflow) return sign | format.infinity;
  const exponent = stepExponentOf(magnitude, format);
  const steps = roundToEven(magnitude / powerOfTwo(exponent));
  // A normal number has 2^mantissaBits steps or more, a subnormal fewer. Adding them to the pattern of the binade
  // below carries into the exponent wherever rounding does, up to infinity.
  return sign | (((exponent + format.mantissaBits - format.minExponent) << format.mantissaBits) + steps);
}

function decode(bits: number, format: HalfFormat): number {
  const sign = bits & SIGN ? -1 : 1;
  const magnitude = bits & 0x7fff;
  if (magnitude > format.infinity) return Number.NaN;
  if (magnitude === format.infinity) return sign * Number.POSITIVE_INFINITY;
  const biased = magnitude >> format.mantissaBits;
  const fraction = magnitude & ((1 << format.mantissaBits) - 1);
  const steps = biased === 0 ? fraction : fraction + (1 << format.mantissaBits);
  return sign * steps * powerOfTwo(Math.max(biased, 1) - 1 + format.minExponent - format.mantissaBits);
}

const isNegative = (value: number): boolean => value < 0 || Object.is(value, -0);

/** The exponent of the distance between the numbers of a format that are nearest to a magnitude. */
const stepExponentOf = (magnitude: number, { minExponent, mantissaBits }: HalfFormat): number =>
  Math.max(exponentOf(magnitude), minExponent) - mantissaBits;

const scratch = new DataView(new ArrayBuffer(8));

/** Exact floor(log2(magnitude)) of a normal double; anything below the normal doubles gives -1023. */
function exponentOf(magnitude: number): number {
  scratch.setFloat64(0, magnitude);
  return (scratch.getUint32(0) >>> 20) - 1023;
}

/** 2^exponent of a normal double; a third of what `2 ** exponent` takes. */
function powerOfTwo(exponent: number): number {
  scratch.setUint32(0, (exponent + 1023) << 20);
  scratch.setUint32(4, 0);
  return scratch.getFloat64(0);
}

/** Rounds every element to float16. The result is a new array of bit patterns. */
export function float32ToFloat16(data: Float32Array): Uint16Array {
  const source = bitsOf(data);
  const result = new Uint16Array(data.length);
  for (let i = 0; i < source.length; i++) {
    const bits = source[i]!;
    const sign = (bits >>> 16) & SIGN;
    const magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000) {
      // A payload that lives only in the dropped bits would turn into infinity: then the quiet bit stands for it.
      result[i] = sign | 0x7c00 | ((magnitude >>> 13) & 0x3ff || 0x200);
    } else if (magnitude >= 0x47800000) {
      result[i] = sign | 0x7c00; // 2^16 and up
    } else if (magnitude >= 0x38800000) {
      // 2^-14 and up: move the exponent's bias from 127 to 15, then round off 13 bits.
      result[i] = sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
    } else {
      result[i] = sign | roundToEven(Math.abs(data[i]!) * 2 ** 24);
    }
  }
  return result;
}

/** Widens float16 bit patterns, exactly. */
export function float16ToFloat32(data: Uint16Array): Float32Array {
  const result = new Float32Array(data.length);
  const target = bitsOf(result);
  for (let i = 0; i < data.length; i++) {
    const bits = data[i]!;
    const sign = (bits & SIGN) << 16;
    const magnitude = bits & 0x7fff;
    if (magnitude >= 0x7c00) target[i] = sign | 0x7f800000 | ((magnitude & 0x3ff) << 13);
    else if (magnitude >= 0x400) target[i] = sign | ((magnitude << 13) + 0x38000000);
    else result[i] = (sign === 0 ? magnitude : -magnitude) * 2 ** -24;
  }
  return result;
}

/** Rounds every element to bfloat16. The result is a new array of bit patterns. */
export function float32ToBfloat16(data: Float32Array): Uint16Array {
  const source = bitsOf(data);
  const result = new Uint16Array(data.length);
  for (let i = 0; i < source.length; i++) {
    const bits = source[i]!;
    const high = bits >>> 16;
    // As above: a NaN whose payload is dropped gets the quiet bit, so that it does not turn into infinity.
    if ((bits & 0x7fffffff) > 0x7f800000) result[i] = high & 0x7f ? high : high | 0x40;
    else result[i] = (bits + 0x7fff + (high & 1)) >>> 16;
  }
  return result;
}

/** Widens bfloat16 bit patterns, exactly. */
export function bfloat16ToFloat32(data: Uint16Array): Float32Array {
  const result = new Float32Array(data.length);
  const target = bitsOf(result);
  for (let i = 0; i < data.length; i++) target[i] = data[i]! << 16;
  return result;
}

/**
 * The elements of any dtype as float32. float32 itself comes back as the same array, not copied.
 * Whole numbers and float64 round to nearest even (64-bit whole numbers by way of float64).
 *
 * @throws FlashMLAError 'invalid-argument' when `data` is not the TypedArray that holds `dtype`
 */
export function toFloat32(data: TypedArray, dtype: DType): Float32Array {
  const expected = arrayOf(dtype);
  if (!(data instanceof expected)) {
    throw new FlashMLAError(
      'invalid-argument',
      `[tensor] ${dtype} elements live in a ${expected.name}, but a ${data.constructor.name} was given; ` +
        'name the dtype that the data have.',
    );
  }
  if (data instanceof Float32Array) return data;
  if (dtype === 'float16') return float16ToFloat32(data as Uint16Array);
  if (dtype === 'bfloat16') return bfloat16ToFloat32(data as Uint16Array);
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) return Float32Array.from(data, Number);
  return new Float32Array(data);
}

/** Elements as `dtype` has them, each rounded to the nearest; float32 comes back as the same array, not copied. */
export function fromFloat32(data: Float32Array, dtype: FloatDType): Float32Array | Uint16Array {
  if (dtype === 'float16') return float32ToFloat16(data);
  if (dtype === 'bfloat16') return float32ToBfloat16(data);
  return data;
}

function bitsOf(data: Float32Array): Uint32Array {
  return new Uint32Array(data.buffer, data.byteOffset, data.length);
}
