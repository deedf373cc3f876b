// cast: between float32, float16 and bfloat16, four elements at a time, by way of float32, which has every number of all
// three. A NaN keeps its sign and what fits of its payload, and becomes a quiet one where bits are dropped.

import { ELEMENTS, storeFirst } from './elements';

// As the op's plan names them.
const FLOAT16: i32 = 1;
const BFLOAT16: i32 = 2;

/** The float16 numbers in the low halves of four words. Their exponents' bias is 112 less than that of float32. */
// @ts-ignore: decorator
@inline
function fromFloat16(halves: v128): v128 {
  const sign = i32x4.shl(v128.and(halves, i32x4.splat(0x8000)), 16);
  const magnitude = i32x4.shl(v128.and(halves, i32x4.splat(0x7fff)), 13);
  // Times 2¹¹² also makes subnormal numbers right; infinities and NaN get the exponent that they have in float32.
  const scaled = f32x4.mul(magnitude, i32x4.splat(0x77800000));
  const special = v128.and(i32x4.ge_u(magnitude, i32x4.splat(0x0f800000)), i32x4.splat(0x7f800000));
  return v128.or(v128.or(scaled, special), sign);
}

// @ts-ignore: decorator
@inline
function toFloat16(x: v128): v128 {
  const sign = v128.and(i32x4.shr_u(x, 16), i32x4.splat(0x8000));
  const magnitude = v128.and(x, i32x4.splat(0x7fffffff));
  const shifted = i32x4.shr_u(magnitude, 13);
  // From 2⁻¹⁴ on the exponent's bias moves from 127 to 15 and 13 bits are rounded off, to even.
  const odd = v128.and(shifted, i32x4.splat(1));
  const normal = i32x4.shr_u(i32x4.add(i32x4.sub(magnitude, i32x4.splat(0x38000000 - 0xfff)), odd), 13);
  // Below, added to ½, a number is rounded to a whole multiple of 2⁻²⁴, the least float16.
  const least = i32x4.sub(f32x4.add(magnitude, f32x4.splat(0.5)), f32x4.splat(0.5));
  let half = v128.bitselect(least, normal, i32x4.lt_u(magnitude, i32x4.splat(0x38800000)));
  half = v128.bitselect(i32x4.splat(0x7c00), half, i32x4.ge_u(magnitude, i32x4.splat(0x47800000)));
  const nan = v128.or(i32x4.splat(0x7e00), v128.and(shifted, i32x4.splat(0x3ff)));
  half = v128.bitselect(nan, half, i32x4.gt_u(magnitude, i32x4.splat(0x7f800000)));
  return v128.or(half, sign);
}

// @ts-ignore: decorator
@inline
function toBfloat16(x: v128): v128 {
  const high = i32x4.shr_u(x, 16);
  const odd = v128.and(high, i32x4.splat(1));
  const rounded = i32x4.shr_u(i32x4.add(i32x4.add(x, i32x4.splat(0x7fff)), odd), 16);
  const nan = v128.or(high, i32x4.splat(0x40));
  return v128.bitselect(rounded, nan, f32x4.eq(x, x));
}

// @ts-ignore: decorator
@inline
function read(input: usize, element: i32, dtype: i32): v128 {
  if (dtype == FLOAT16) return fromFloat16(v128.load16x4_u(input + ((<usize>element) << 1)));
  if (dtype == BFLOAT16) return i32x4.shl(v128.load16x4_u(input + ((<usize>element) << 1)), 16);
  return v128.load(input + ((<usize>element) << 2));
}

/** args: input, output, elements, from, to (0 float32, 1 float16, 2 bfloat16); a task is ELEMENTS of them */
export function cast(args: usize, task: i32, _scratch: usize): void {
  const input = <usize>load<u32>(args);
  const output = <usize>load<u32>(args, 4);
  const from = load<i32>(args, 12);
  const to = load<i32>(args, 16);
  const end = min((task + 1) * ELEMENTS, load<i32>(args, 8));
  for (let i = task * ELEMENTS; i < end; i += 4) {
    const x = read(input, i, from);
    if (to == 0) {
      storeFirst(output + ((<usize>i) << 2), x, (<usize>(end - i)) << 2);
    } else {
      const words = to == FLOAT16 ? toFloat16(x) : toBfloat16(x);
      const halves = i16x8.narrow_i32x4_u(words, words);
      storeFirst(output + ((<usize>i) << 1), halves, min<usize>((<usize>(end - i)) << 1, 8));
    }
  }
}
