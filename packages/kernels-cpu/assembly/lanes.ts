// Arithmetic on four f32 lanes that every kernel shares.
//
// `madd` is the one place where the relaxed-SIMD build differs: it fuses the multiply-add where the CPU can
// (RELAXED is set at compile time, see ../build-wasm.mjs).

// @ts-ignore: decorator
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  if (isDefined(RELAXED)) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(c, f32x4.mul(a, b));
}

// @ts-ignore: decorator
@inline
export function sumLanes(x: v128): f32 {
  const pairs = f32x4.add(x, i8x16.shuffle(x, x, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  return f32x4.extract_lane(pairs, 0) + f32x4.extract_lane(pairs, 1);
}

// @ts-ignore: decorator
@inline
export function maxLanes(x: v128): f32 {
  const pairs = f32x4.pmax(x, i8x16.shuffle(x, x, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  return max(f32x4.extract_lane(pairs, 0), f32x4.extract_lane(pairs, 1));
}

/** [Σa, Σb, Σc, Σd] */
// @ts-ignore: decorator
@inline
export function sumLanes4(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = f32x4.add(
    i8x16.shuffle(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23),
    i8x16.shuffle(a, b, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31),
  );
  const cd = f32x4.add(
    i8x16.shuffle(c, d, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23),
    i8x16.shuffle(c, d, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31),
  );
  return f32x4.add(
    i8x16.shuffle(ab, cd, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23),
    i8x16.shuffle(ab, cd, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31),
  );
}

// The constants of exp, tanh and the two GELUs are globals, which V8 reads from memory as operands. A splat in the place of
// use is built anew each time, three instructions of it: dense attention took 8 % longer, sparse 6 %, GELU 3 % (Zen 3,
// V8 11.3). Locals before the loop spill: 6 % longer as well.
let LOG2_E: v128 = f32x4.splat(1.44269504);
/** 1.5·2²³ + 127: added to n, its low bits are the biased exponent of 2ⁿ, and the fraction is rounded away. */
let SHIFT: v128 = f32x4.splat(12583039);
let LEAST: v128 = f32x4.splat(-87.3);
let ONE: v128 = f32x4.splat(1);
let HALF: v128 = f32x4.splat(0.5);
let TWO: v128 = f32x4.splat(2);
let SIGN: v128 = f32x4.splat(-0.0);
let EXP_1: v128 = f32x4.splat(0.6931469776);
let EXP_2: v128 = f32x4.splat(0.2402224207);
let EXP_3: v128 = f32x4.splat(0.05550733751);
let EXP_4: v128 = f32x4.splat(0.009671513937);
let EXP_5: v128 = f32x4.splat(0.001326472878);
let TANH_LIMIT: v128 = f32x4.splat(40);
let ERF_P: v128 = f32x4.splat(0.3275911);
let ERF_1: v128 = f32x4.splat(0.254829592);
let ERF_2: v128 = f32x4.splat(-0.284496736);
let ERF_3: v128 = f32x4.splat(1.421413741);
let ERF_4: v128 = f32x4.splat(-1.453152027);
let ERF_5: v128 = f32x4.splat(1.061405429);
let SQRT_HALF: v128 = f32x4.splat(0.70710678);
let SQRT_2_OVER_PI: v128 = f32x4.splat(0.7978845608);
let GELU_CUBIC: v128 = f32x4.splat(0.044715);
let THREE: v128 = f32x4.splat(3);
let INVERSE_SQRT_2_PI: v128 = f32x4.splat(0.3989422804);

/**
 * e^x for x ≤ 88 as 2^y, y = x·log₂ e = n + f, |f| ≤ ½: 2^f by the polynomial of degree 5 with the least relative error
 * (9e-8; 1 at 0), 2^n by its exponent bits. What y is rounded by adds |x|·6e-8, which matters only where e^x is tiny.
 * Below −87.3 the result is 0 (f32 subnormals are flushed).
 */
// @ts-ignore: decorator
@inline
export function exp(x: v128): v128 {
  const y = f32x4.mul(x, LOG2_E);
  const shifted = f32x4.add(y, SHIFT);
  const f = f32x4.sub(y, f32x4.sub(shifted, SHIFT));
  let p = madd(EXP_5, f, EXP_4);
  p = madd(p, f, EXP_3);
  p = madd(p, f, EXP_2);
  p = madd(p, f, EXP_1);
  p = madd(p, f, ONE);
  return v128.andnot(f32x4.mul(p, i32x4.shl(shifted, 23)), f32x4.lt(x, LEAST));
}

/** tanh x = 1 − 2 / (e^2x + 1); 1 in f32 from x = 9.1 on. */
// @ts-ignore: decorator
@inline
export function tanh(x: v128): v128 {
  const e = exp(f32x4.pmin(f32x4.add(x, x), TANH_LIMIT));
  return f32x4.sub(ONE, f32x4.div(TWO, f32x4.add(e, ONE)));
}

/** erf to 1.5e-7 absolute: Abramowitz & Stegun 7.1.26. */
// @ts-ignore: decorator
@inline
function erf(x: v128): v128 {
  const a = f32x4.abs(x);
  const t = f32x4.div(ONE, madd(ERF_P, a, ONE));
  let p = madd(ERF_5, t, ERF_4);
  p = madd(p, t, ERF_3);
  p = madd(p, t, ERF_2);
  p = madd(p, t, ERF_1);
  const y = f32x4.sub(ONE, f32x4.mul(f32x4.mul(p, t), exp(f32x4.neg(f32x4.mul(a, a)))));
  return v128.or(y, v128.and(x, SIGN));
}

/** x·Φ(x), Hendrycks & Gimpel 2016. */
// @ts-ignore: decorator
@inline
export function gelu(x: v128): v128 {
  const half = f32x4.mul(x, HALF);
  return madd(half, erf(f32x4.mul(x, SQRT_HALF)), half);
}

/** The tanh approximation of gelu, ibid. */
// @ts-ignore: decorator
@inline
export function geluTanh(x: v128): v128 {
  const half = f32x4.mul(x, HALF);
  const cubic = f32x4.mul(f32x4.mul(x, x), x);
  return madd(half, tanh(f32x4.mul(SQRT_2_OVER_PI, madd(GELU_CUBIC, cubic, x))), half);
}

/** The derivative of gelu, Φ(x) + x·φ(x). */
// @ts-ignore: decorator
@inline
export function geluSlope(x: v128): v128 {
  const density = f32x4.mul(INVERSE_SQRT_2_PI, exp(f32x4.neg(f32x4.mul(HALF, f32x4.mul(x, x)))));
  return madd(x, density, madd(HALF, erf(f32x4.mul(x, SQRT_HALF)), HALF));
}

/** The derivative of geluTanh: (1 + t + x·(1 − t²)·√(2/π)·(1 + 3·0.044715·x²)) / 2 with t the hyperbolic tangent there. */
// @ts-ignore: decorator
@inline
export function geluTanhSlope(x: v128): v128 {
  const cubic = f32x4.mul(GELU_CUBIC, f32x4.mul(x, x));
  const t = tanh(f32x4.mul(SQRT_2_OVER_PI, madd(cubic, x, x)));
  const inner = f32x4.mul(SQRT_2_OVER_PI, madd(THREE, cubic, ONE));
  const falling = f32x4.mul(x, f32x4.mul(inner, f32x4.sub(ONE, f32x4.mul(t, t))));
  return f32x4.mul(HALF, f32x4.add(f32x4.add(ONE, t), falling));
}

/** ln x for x ≥ 0, to about 2 ulp, by the polynomial of Cephes' logf (Moshier); ln 0 = −∞, ln NaN = NaN. */
// @ts-ignore: decorator
@inline
export function log(x: v128): v128 {
  const bits = i32x4.sub(x, i32x4.splat(0x3f3504f3));
  const exponent = i32x4.shr_s(bits, 23);
  const mantissa = i32x4.sub(x, i32x4.shl(exponent, 23));
  const e = f32x4.convert_i32x4_s(exponent);
  const r = f32x4.sub(mantissa, f32x4.splat(1));
  const z = f32x4.mul(r, r);
  let p = madd(f32x4.splat(7.0376836292e-2), r, f32x4.splat(-1.1514610310e-1));
  p = madd(p, r, f32x4.splat(1.1676998740e-1));
  p = madd(p, r, f32x4.splat(-1.2420140846e-1));
  p = madd(p, r, f32x4.splat(1.4249322787e-1));
  p = madd(p, r, f32x4.splat(-1.6668057665e-1));
  p = madd(p, r, f32x4.splat(2.0000714765e-1));
  p = madd(p, r, f32x4.splat(-2.4999993993e-1));
  p = madd(p, r, f32x4.splat(3.3333331174e-1));
  let y = f32x4.mul(f32x4.mul(p, r), z);
  y = madd(e, f32x4.splat(-2.12194440e-4), y);
  y = madd(z, f32x4.splat(-0.5), y);
  y = f32x4.add(r, y);
  // x − x is 0, or NaN where x is: its bits say nothing about a logarithm.
  y = f32x4.add(madd(e, f32x4.splat(0.693359375), y), f32x4.sub(x, x));
  return v128.bitselect(f32x4.splat(-Infinity), y, f32x4.eq(x, f32x4.splat(0)));
}

// @ts-ignore: decorator
@inline
export function logScalar(x: f32): f32 {
  return f32x4.extract_lane(log(f32x4.splat(x)), 0);
}
