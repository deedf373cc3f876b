// Half-precision conversion against an independent reference: every finite half value is listed as an exact rational
// over one power of two (BigInt), and the nearest one is found by search. It shares no bit trick with the code.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TypedArray } from '../src/dtype.ts';
import { FlashMLAError } from '../src/errors.ts';
import {
  bfloat16ToFloat32,
  bfloat16ToNumber,
  float16ToFloat32,
  float16ToNumber,
  float32ToBfloat16,
  float32ToFloat16,
  numberToBfloat16,
  numberToFloat16,
  toFloat32,
} from '../src/half.ts';

const ALL_PATTERNS = Uint16Array.from({ length: 65536 }, (_, bits) => bits);

interface Format {
  name: string;
  exponentBits: number;
  mantissaBits: number;
  narrow(data: Float32Array): Uint16Array;
  widen(data: Uint16Array): Float32Array;
  fromNumber(value: number): number;
  toNumber(bits: number): number;
}

const FORMATS: Format[] = [
  {
    name: 'float16',
    exponentBits: 5,
    mantissaBits: 10,
    narrow: float32ToFloat16,
    widen: float16ToFloat32,
    fromNumber: numberToFloat16,
    toNumber: float16ToNumber,
  },
  {
    name: 'bfloat16',
    exponentBits: 8,
    mantissaBits: 7,
    narrow: float32ToBfloat16,
    widen: bfloat16ToFloat32,
    fromNumber: numberToBfloat16,
    toNumber: bfloat16ToNumber,
  },
];

// Every double is a whole multiple of 2^-1074.
const UNIT_EXPONENT = 1074n;

/** A finite double ≥ 0 as a multiple of 2^-1074. */
function exact(value: number): bigint {
  let exponent = 0n;
  let scaled = value;
  while (!Number.isInteger(scaled)) {
    scaled *= 2; // exact: a double with a fraction is far from overflow
    exponent += 1n;
  }
  return BigInt(scaled) << (UNIT_EXPONENT - exponent);
}

/** Values of the patterns 0 … infinity - 1 as multiples of 2^-1074, then what infinity's pattern would be. */
function magnitudes({ exponentBits, mantissaBits }: Format): bigint[] {
  const bias = 2 ** (exponentBits - 1) - 1;
  const values: bigint[] = [];
  for (let bits = 0; bits <= (2 ** exponentBits - 1) * 2 ** mantissaBits; bits++) {
    const biased = Math.floor(bits / 2 ** mantissaBits);
    const fraction = BigInt(bits % 2 ** mantissaBits);
    const significand = biased === 0 ? fraction : fraction + (1n << BigInt(mantissaBits));
    values.push(significand << (UNIT_EXPONENT + BigInt(Math.max(biased, 1) - bias - mantissaBits)));
  }
  return values;
}

/** The pattern nearest to `value`, ties to the even pattern. */
function nearest(value: number, table: bigint[]): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const infinity = table.length - 1;
  if (!Number.isFinite(value)) return sign | infinity;
  const magnitude = exact(Math.abs(value));
  if (magnitude >= table[infinity]!) return sign | infinity;
  let low = 0;
  let high = infinity;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (table[middle]! <= magnitude) low = middle;
    else high = middle;
  }
  const below = magnitude - table[low]!;
  const above = table[high]! - magnitude;
  const up = above < below || (above === below && high % 2 === 0);
  return sign | (up ? high : low);
}

describe.each(FORMATS)('$name', (format) => {
  const table = magnitudes(format);
  const infinity = table.length - 1;
  const isNaNPattern = (bits: number) => (bits & 0x7fff) > infinity;
  const narrowOne = (value: number) => format.narrow(Float32Array.of(value))[0]!;

  it('gives every one of the 65536 patterns back after widening, NaN payloads included', () => {
    expect(format.narrow(format.widen(ALL_PATTERNS))).toEqual(ALL_PATTERNS);
  });

  it('widens every pattern to its exact value, array and scalar alike', () => {
    const widened = format.widen(ALL_PATTERNS);
    const wrong = [...ALL_PATTERNS].filter((bits) => {
      const value = widened[bits]!;
      if (!Object.is(value, format.toNumber(bits))) return true;
      if (isNaNPattern(bits)) return !Number.isNaN(value);
      if ((bits & 0x7fff) === infinity) return value !== (bits & 0x8000 ? -Infinity : Infinity);
      const negative = value < 0 || Object.is(value, -0);
      return negative !== bits >= 0x8000 || exact(Math.abs(value)) !== table[bits & 0x7fff];
    });
    expect(wrong).toEqual([]);
  });

  it('narrows every scalar it widens to the same pattern, and NaN to NaN', () => {
    const wrong = [...ALL_PATTERNS].filter((bits) => {
      const back = format.fromNumber(format.toNumber(bits));
      return isNaNPattern(bits) ? !isNaNPattern(back) : back !== bits;
    });
    expect(wrong).toEqual([]);
  });

  it('rounds the midpoint between any two neighbours to the even one, and past it to the nearer one', () => {
    const wrong: number[] = [];
    for (let bits = 0; bits < infinity; bits++) {
      const low = format.toNumber(bits);
      const high = bits + 1 === infinity ? low + (low - format.toNumber(bits - 1)) : format.toNumber(bits + 1);
      const middle = (low + high) / 2; // one bit more than the format has: exact in float32 too
      const even = bits % 2 === 0 ? bits : bits + 1;
      const step = Math.max(middle * 2 ** -23, 2 ** -149); // next to the midpoint in float32, or two steps away
      const results = [middle, middle - step, middle + step, -middle].map((value) => narrowOne(value));
      const scalars = [middle, middle - step, middle + step, -middle].map((value) => format.fromNumber(value));
      const expected = [even, bits, bits + 1, even | 0x8000];
      if (expected.some((value, i) => results[i] !== value || scalars[i] !== value)) wrong.push(bits);
    }
    expect(wrong).toEqual([]);
  });

  it('rounds a double once, not by way of float32', () => {
    // Just past the midpoint of 1 and its upper neighbour, by less than float32 can show.
    const value = 1 + 2 ** -(format.mantissaBits + 1) + 2 ** -50;
    expect(Math.fround(value)).toBe(1 + 2 ** -(format.mantissaBits + 1));
    expect(format.toNumber(format.fromNumber(value))).toBe(1 + 2 ** -format.mantissaBits);
    expect(format.toNumber(narrowOne(value))).toBe(1);
  });

  it('keeps signed zeros, infinities and NaN, and takes overflow to infinity and underflow to zero', () => {
    const largest = format.toNumber(infinity - 1);
    const overflow = largest + (largest - format.toNumber(infinity - 2)) / 2;
    const smallest = format.toNumber(1);
    const cases: [number, number][] = [
      [0, 0],
      [-0, 0x8000],
      [Infinity, infinity],
      [-Infinity, infinity | 0x8000],
      [largest, infinity - 1],
      [overflow, infinity],
      [-overflow, infinity | 0x8000],
      [smallest, 1],
      [-smallest, 0x8001],
      [smallest / 2, 0],
      [-smallest / 2, 0x8000],
      [smallest * 0.75, 1],
    ];
    for (const [value, bits] of cases) {
      expect(format.fromNumber(value), String(value)).toBe(bits);
      expect(narrowOne(value), String(value)).toBe(bits);
    }
    expect(format.fromNumber(Number.MAX_VALUE)).toBe(infinity);
    expect(format.fromNumber(Number.MIN_VALUE)).toBe(0);
    expect(format.fromNumber(-Number.MIN_VALUE)).toBe(0x8000);
    expect(isNaNPattern(format.fromNumber(Number.NaN))).toBe(true);
  });

  it('keeps every NaN a NaN of the same sign, also one whose payload lies in the dropped bits', () => {
    const bits = Uint32Array.of(0x7f800001, 0xff800001, 0x7fc00000, 0xffffffff, 0x7f801fff, 0x7f80ffff, 0x7fa00000);
    const narrowed = format.narrow(new Float32Array(bits.buffer));
    expect([...narrowed].filter((pattern) => !isNaNPattern(pattern))).toEqual([]);
    expect([...narrowed].map((pattern) => pattern >= 0x8000)).toEqual([...bits].map((pattern) => pattern >= 2 ** 31));
  });

  it('agrees with the exact reference on any float32', () => {
    fc.assert(
      fc.property(
        fc.uint32Array({ minLength: 1, maxLength: 64 }).map((bits) => new Float32Array(bits.buffer)),
        (values) => {
          const numbers = values.filter((value) => !Number.isNaN(value));
          expect([...format.narrow(numbers)]).toEqual([...numbers].map((value) => nearest(value, table)));
        },
      ),
      { numRuns: 500 },
    );
  });

  it('agrees with the exact reference on any double, in and around its range', () => {
    const range = 2 ** (2 ** (format.exponentBits - 1) + 1);
    fc.assert(
      fc.property(
        fc.oneof(
          fc.double({ noNaN: true }),
          fc.double({ noNaN: true, min: -Math.min(range, 2 ** 17), max: Math.min(range, 2 ** 17) }),
          fc.double({ noNaN: true, min: -(2 ** -12), max: 2 ** -12 }),
        ),
        (value) => {
          expect(format.fromNumber(value)).toBe(nearest(value, table));
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('reads and writes views that start inside their buffer', () => {
    const values = Float32Array.of(9, 1, -2, 0.5).subarray(1);
    const bits = format.narrow(values);
    expect(bits).toHaveLength(3);
    expect([...format.widen(Uint16Array.of(0, ...bits).subarray(1))]).toEqual([1, -2, 0.5]);
    expect(format.widen(new Uint16Array(0))).toHaveLength(0);
  });
});

describe('toFloat32', () => {
  it('gives float32 back as the same array', () => {
    const data = Float32Array.of(1, 2);
    expect(toFloat32(data, 'float32')).toBe(data);
  });

  it('converts every other dtype by value', () => {
    const cases: [TypedArray, Parameters<typeof toFloat32>[1], number[]][] = [
      [Float64Array.of(0.1, -1e300), 'float64', [Math.fround(0.1), -Infinity]],
      [Uint16Array.of(0x3c00, 0x8001), 'float16', [1, -(2 ** -24)]],
      [Uint16Array.of(0x3f80, 0xff80), 'bfloat16', [1, -Infinity]],
      [BigInt64Array.of(-5n, 2n ** 40n), 'int64', [-5, 2 ** 40]],
      [BigUint64Array.of(2n ** 63n), 'uint64', [2 ** 63]],
      [Int32Array.of(-7, 16777217), 'int32', [-7, 16777216]],
      [Uint32Array.of(4294967295), 'uint32', [4294967296]],
      [Int16Array.of(-3), 'int16', [-3]],
      [Uint16Array.of(65535), 'uint16', [65535]],
      [Int8Array.of(-128), 'int8', [-128]],
      [Uint8Array.of(255), 'uint8', [255]],
      [Uint8Array.of(0, 1), 'bool', [0, 1]],
    ];
    for (const [data, dtype, expected] of cases) {
      const result = toFloat32(data, dtype);
      expect(result, dtype).toBeInstanceOf(Float32Array);
      expect([...result], dtype).toEqual(expected);
    }
  });

  it('refuses data that are not of the dtype named', () => {
    const attempt = () => toFloat32(new Float32Array(1), 'float16');
    expect(attempt).toThrow(FlashMLAError);
    expect(attempt).toThrow(/float16 elements live in a Uint16Array, but a Float32Array was given/);
  });
});
