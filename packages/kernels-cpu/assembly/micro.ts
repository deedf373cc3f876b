// The register tile all matrix work is made of: 4 rows × 8 columns of sums in eight v128 accumulators.
//
// c[4][8] (+)= Σ_k a[k][4]ᵀ · b[k][8]: both operands are read depth-major ("packed"), so that one pointer each is enough.
// An element of either is a *unit* of 32 bits: one f32, or along the depth two i16 or four i8, whose sums are i32 (T).
// What was tried on a Zen 3 core under V8 11.3 (768³, one thread, GFLOP/s, SIMD128 | relaxed):
//   this loop, four exits              42 | 50
//   one exit                           36 | 50    V8 checks for interrupts once a loop, here once in four steps
//   rows of a unpacked, four pointers  37 | 47
//   unrolled without the exits         19 | 24    V8 sinks the additions below the next loads; the registers run out
//   the same source through Binaryen -O2/-O3      35: it reorders the loads; build-wasm.mjs therefore compiles at -O0
//   4×16 accumulators                  31: spills
//
// tile6x8 takes all registers but one that V8 keeps for itself. On a Xeon with AVX-512 (64 rows × 512 × 256, one thread,
// relaxed SIMD, GFLOP/s, medians of 60) it is what newer V8 runs fastest, and older V8 does not:
//   rows                    4     5     6
//   V8 12.4 (Node 22)      55    42    50
//   V8 12.9 (Node 23)      55    43    50
//   V8 13.6 (Node 24)      53    62    65

import { madd } from './lanes';

/**
 * sum + a · b, unit by unit. Of i8, b may be all of −128 … 127; more than seven bits of a are what the engine makes of them
 * (linear-int8.ts).
 */
// @ts-ignore: decorator
@inline
function multiplyAdd<T>(a: v128, b: v128, sum: v128): v128 {
  if (isFloat<T>()) return madd(a, b, sum);
  if (sizeof<T>() == 2) return i32x4.add(sum, i32x4.dot_i16x8_s(a, b));
  return i32x4.relaxed_dot_i8x16_i7x16_add_s(b, a, sum);
}

/**
 * @param a [depth][4] units, rows `strideA` bytes apart
 * @param b [depth][8] units, rows 32 bytes apart; depth ≥ 1
 * @param c [4][8] f32 or i32, rows `strideC` bytes apart
 * @param accumulate whether c is added to, else overwritten
 */
export function tile4x8<T = f32>(
  a: usize,
  strideA: usize,
  b: usize,
  depth: i32,
  c: usize,
  strideC: usize,
  accumulate: bool,
): void {
  const c1 = c + strideC;
  const c2 = c1 + strideC;
  const c3 = c2 + strideC;
  let s00 = f32x4.splat(0);
  let s01 = s00;
  let s10 = s00;
  let s11 = s00;
  let s20 = s00;
  let s21 = s00;
  let s30 = s00;
  let s31 = s00;
  if (accumulate) {
    s00 = v128.load(c);
    s01 = v128.load(c, 16);
    s10 = v128.load(c1);
    s11 = v128.load(c1, 16);
    s20 = v128.load(c2);
    s21 = v128.load(c2, 16);
    s30 = v128.load(c3);
    s31 = v128.load(c3, 16);
  }
  const end = b + ((<usize>depth) << 5);
  let b0: v128, b1: v128, x: v128;
  while (true) {
    b0 = v128.load(b);
    b1 = v128.load(b, 16);
    x = v128.load32_splat(a);
    s00 = multiplyAdd<T>(x, b0, s00);
    s01 = multiplyAdd<T>(x, b1, s01);
    x = v128.load32_splat(a, 4);
    s10 = multiplyAdd<T>(x, b0, s10);
    s11 = multiplyAdd<T>(x, b1, s11);
    x = v128.load32_splat(a, 8);
    s20 = multiplyAdd<T>(x, b0, s20);
    s21 = multiplyAdd<T>(x, b1, s21);
    x = v128.load32_splat(a, 12);
    s30 = multiplyAdd<T>(x, b0, s30);
    s31 = multiplyAdd<T>(x, b1, s31);
    a += strideA;
    b += 32;
    if (b >= end) break;

    b0 = v128.load(b);
    b1 = v128.load(b, 16);
    x = v128.load32_splat(a);
    s00 = multiplyAdd<T>(x, b0, s00);
    s01 = multiplyAdd<T>(x, b1, s01);
    x = v128.load32_splat(a, 4);
    s10 = multiplyAdd<T>(x, b0, s10);
    s11 = multiplyAdd<T>(x, b1, s11);
    x = v128.load32_splat(a, 8);
    s20 = multiplyAdd<T>(x, b0, s20);
    s21 = multiplyAdd<T>(x, b1, s21);
    x = v128.load32_splat(a, 12);
    s30 = multiplyAdd<T>(x, b0, s30);
    s31 = multiplyAdd<T>(x, b1, s31);
    a += strideA;
    b += 32;
    if (b >= end) break;

    b0 = v128.load(b);
    b1 = v128.load(b, 16);
    x = v128.load32_splat(a);
    s00 = multiplyAdd<T>(x, b0, s00);
    s01 = multiplyAdd<T>(x, b1, s01);
    x = v128.load32_splat(a, 4);
    s10 = multiplyAdd<T>(x, b0, s10);
    s11 = multiplyAdd<T>(x, b1, s11);
    x = v128.load32_splat(a, 8);
    s20 = multiplyAdd<T>(x, b0, s20);
    s21 = multiplyAdd<T>(x, b1, s21);
    x = v128.load32_splat(a, 12);
    s30 = multiplyAdd<T>(x, b0, s30);
    s31 = multiplyAdd<T>(x, b1, s31);
    a += strideA;
    b += 32;
    if (b >= end) break;

    b0 = v128.load(b);
    b1 = v128.load(b, 16);
    x = v128.load32_splat(a);
    s00 = multiplyAdd<T>(x, b0, s00);
    s01 = multiplyAdd<T>(x, b1, s01);
    x = v128.load32_splat(a, 4);
    s10 = multiplyAdd<T>(x, b0, s10);
    s11 = multiplyAdd<T>(x, b1, s11);
    x = v128.load32_splat(a, 8);
    s20 = multiplyAdd<T>(x, b0, s20);
    s21 = multiplyAdd<T>(x, b1, s21);
    x = v128.load32_splat(a, 12);
    s30 = multiplyAdd<T>(x, b0, s30);
    s31 = multiplyAdd<T>(x, b1, s31);
    a += strideA;
    b += 32;
    if (b >= end) break;
  }
  v128.store(c, s00);
  v128.store(c, s01, 16);
  v128.store(c1, s10);
  v128.store(c1, s11, 16);
  v128.store(c2, s20);
  v128.store(c2, s21, 16);
  v128.store(c3, s30);
  v128.store(c3, s31, 16);
}

/**
 * Six rows: c[6][8] = Σ_k a[k][6]ᵀ · b[k][8].
 *
 * @param a [depth][6] units, dense
 * @param b [depth][8] units, dense; depth ≥ 1
 * @param c [6][8] f32 or i32, dense
 */
export function tile6x8<T = f32>(a: usize, b: usize, depth: i32, c: usize): void {
  let s00 = f32x4.splat(0);
  let s01 = s00;
  let s10 = s00;
  let s11 = s00;
  let s20 = s00;
  let s21 = s00;
  let s30 = s00;
  let s31 = s00;
  let s40 = s00;
  let s41 = s00;
  let s50 = s00;
  let s51 = s00;
  const end = b + ((<usize>depth) << 5);
  let b0: v128, b1: v128, x: v128;
  while (true) {
    b0 = v128.load(b);
    b1 = v128.load(b, 16);
    x = v128.load32_splat(a);
    s00 = multiplyAdd<T>(x, b0, s00);
    s01 = multiplyAdd<T>(x, b1, s01);
    x = v128.load32_splat(a, 4);
    s10 = multiplyAdd<T>(x, b0, s10);
    s11 = multiplyAdd<T>(x, b1, s11);
    x = v128.load32_splat(a, 8);
    s20 = multiplyAdd<T>(x, b0, s20);
    s21 = multiplyAdd<T>(x, b1, s21);
    x = v128.load32_splat(a, 12);
    s30 = multiplyAdd<T>(x, b0, s30);
    s31 = multiplyAdd<T>(x, b1, s31);
    x = v128.load32_splat(a, 16);
    s40 = multiplyAdd<T>(x, b0, s40);
    s41 = multiplyAdd<T>(x, b1, s41);
    x = v128.load32_splat(a, 20);
    s50 = multiplyAdd<T>(x, b0, s50);
    s51 = multiplyAdd<T>(x, b1, s51);
    a += 24;
    b += 32;
    if (b >= end) break;

    b0 = v128.load(b);
    b1 = v128.load(b, 16);
    x = v128.load32_splat(a);
    s00 = multiplyAdd<T>(x, b0, s00);
    s01 = multiplyAdd<T>(x, b1, s01);
    x = v128.load32_splat(a, 4);
    s10 = multiplyAdd<T>(x, b0, s10);
    s11 = multiplyAdd<T>(x, b1, s11);
    x = v128.load32_splat(a, 8);
    s20 = multiplyAdd<T>(x, b0, s20);
    s21 = multiplyAdd<T>(x, b1, s21);
    x = v128.load32_splat(a, 12);
    s30 = multiplyAdd<T>(x, b0, s30);
    s31 = multiplyAdd<T>(x, b1, s31);
    x = v128.load32_splat(a, 16);
    s40 = multiplyAdd<T>(x, b0, s40);
    s41 = multiplyAdd<T>(x, b1, s41);
    x = v128.load32_splat(a, 20);
    s50 = multiplyAdd<T>(x, b0, s50);
    s51 = multiplyAdd<T>(x, b1, s51);
    a += 24;
    b += 32;
    if (b >= end) break;

    b0 = v128.load(b);
    b1 = v128.load(b, 16);
    x = v128.load32_splat(a);
    s00 = multiplyAdd<T>(x, b0, s00);
    s01 = multiplyAdd<T>(x, b1, s01);
    x = v128.load32_splat(a, 4);
    s10 = multiplyAdd<T>(x, b0, s10);
    s11 = multiplyAdd<T>(x, b1, s11);
    x = v128.load32_splat(a, 8);
    s20 = multiplyAdd<T>(x, b0, s20);
    s21 = multiplyAdd<T>(x, b1, s21);
    x = v128.load32_splat(a, 12);
    s30 = multiplyAdd<T>(x, b0, s30);
    s31 = multiplyAdd<T>(x, b1, s31);
    x = v128.load32_splat(a, 16);
    s40 = multiplyAdd<T>(x, b0, s40);
    s41 = multiplyAdd<T>(x, b1, s41);
    x = v128.load32_splat(a, 20);
    s50 = multiplyAdd<T>(x, b0, s50);
    s51 = multiplyAdd<T>(x, b1, s51);
    a += 24;
    b += 32;
    if (b >= end) break;

    b0 = v128.load(b);
    b1 = v128.load(b, 16);
    x = v128.load32_splat(a);
    s00 = multiplyAdd<T>(x, b0, s00);
    s01 = multiplyAdd<T>(x, b1, s01);
    x = v128.load32_splat(a, 4);
    s10 = multiplyAdd<T>(x, b0, s10);
    s11 = multiplyAdd<T>(x, b1, s11);
    x = v128.load32_splat(a, 8);
    s20 = multiplyAdd<T>(x, b0, s20);
    s21 = multiplyAdd<T>(x, b1, s21);
    x = v128.load32_splat(a, 12);
    s30 = multiplyAdd<T>(x, b0, s30);
    s31 = multiplyAdd<T>(x, b1, s31);
    x = v128.load32_splat(a, 16);
    s40 = multiplyAdd<T>(x, b0, s40);
    s41 = multiplyAdd<T>(x, b1, s41);
    x = v128.load32_splat(a, 20);
    s50 = multiplyAdd<T>(x, b0, s50);
    s51 = multiplyAdd<T>(x, b1, s51);
    a += 24;
    b += 32;
    if (b >= end) break;
  }
  v128.store(c, s00);
  v128.store(c, s01, 16);
  v128.store(c, s10, 32);
  v128.store(c, s11, 48);
  v128.store(c, s20, 64);
  v128.store(c, s21, 80);
  v128.store(c, s30, 96);
  v128.store(c, s31, 112);
  v128.store(c, s40, 128);
  v128.store(c, s41, 144);
  v128.store(c, s50, 160);
  v128.store(c, s51, 176);
}

/**
 * Rows of f32 once more, with b in pieces: segment s is `rows` rows at byte offset `offset` of `b`; a runs on from piece to piece.
 *
 * @param segments count × { offset: u32, rows: i32 }, rows ≥ 1
 */
export function tile4x8Segments(
  a: usize,
  strideA: usize,
  b: usize,
  segments: usize,
  count: i32,
  c: usize,
  strideC: usize,
  accumulate: bool,
): void {
  const c1 = c + strideC;
  const c2 = c1 + strideC;
  const c3 = c2 + strideC;
  let s00 = f32x4.splat(0);
  let s01 = s00;
  let s10 = s00;
  let s11 = s00;
  let s20 = s00;
  let s21 = s00;
  let s30 = s00;
  let s31 = s00;
  if (accumulate) {
    s00 = v128.load(c);
    s01 = v128.load(c, 16);
    s10 = v128.load(c1);
    s11 = v128.load(c1, 16);
    s20 = v128.load(c2);
    s21 = v128.load(c2, 16);
    s30 = v128.load(c3);
    s31 = v128.load(c3, 16);
  }
  let b0: v128, b1: v128, x: v128;
  const last = segments + ((<usize>count) << 3);
  for (let segment = segments; segment < last; segment += 8) {
    let row = b + <usize>load<u32>(segment);
    const end = row + ((<usize>load<i32>(segment, 4)) << 5);
    while (true) {
      b0 = v128.load(row);
      b1 = v128.load(row, 16);
      x = v128.load32_splat(a);
      s00 = madd(x, b0, s00);
      s01 = madd(x, b1, s01);
      x = v128.load32_splat(a, 4);
      s10 = madd(x, b0, s10);
      s11 = madd(x, b1, s11);
      x = v128.load32_splat(a, 8);
      s20 = madd(x, b0, s20);
      s21 = madd(x, b1, s21);
      x = v128.load32_splat(a, 12);
      s30 = madd(x, b0, s30);
      s31 = madd(x, b1, s31);
      a += strideA;
      row += 32;
      if (row >= end) break;

      b0 = v128.load(row);
      b1 = v128.load(row, 16);
      x = v128.load32_splat(a);
      s00 = madd(x, b0, s00);
      s01 = madd(x, b1, s01);
      x = v128.load32_splat(a, 4);
      s10 = madd(x, b0, s10);
      s11 = madd(x, b1, s11);
      x = v128.load32_splat(a, 8);
      s20 = madd(x, b0, s20);
      s21 = madd(x, b1, s21);
      x = v128.load32_splat(a, 12);
      s30 = madd(x, b0, s30);
      s31 = madd(x, b1, s31);
      a += strideA;
      row += 32;
      if (row >= end) break;
    }
  }
  v128.store(c, s00);
  v128.store(c, s01, 16);
  v128.store(c1, s10);
  v128.store(c1, s11, 16);
  v128.store(c2, s20);
  v128.store(c2, s21, 16);
  v128.store(c3, s30);
  v128.store(c3, s31, 16);
}
