// Vectors as wide as the architecture has them, through the vector extensions that GCC and Clang share: one source for
// AVX2, AVX-512 and NEON. Everything in this folder that includes this file is compiled once for each architecture, in a
// namespace of its own, with the flags of ../build/architectures.mjs. It must therefore define nothing outside of that namespace
// and instantiate no template of the standard library: the linker would keep one copy of it for all, and run AVX-512
// instructions where there are none.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__AVX512F__)
#define FLASHMLA_LANES 16
#elif defined(__AVX2__)
#define FLASHMLA_LANES 8
#else
#define FLASHMLA_LANES 4
#endif
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define FLASHMLA_INLINE inline __attribute__((always_inline))

namespace flashmla {
namespace FLASHMLA_ARCHITECTURE {

constexpr int lanes = FLASHMLA_LANES;

typedef float f32v __attribute__((vector_size(4 * FLASHMLA_LANES)));
typedef int32_t i32v __attribute__((vector_size(4 * FLASHMLA_LANES)));
typedef uint32_t u32v __attribute__((vector_size(4 * FLASHMLA_LANES)));
typedef uint16_t u16v __attribute__((vector_size(2 * FLASHMLA_LANES)));

/** bfloat16 in memory: the upper half of a float32. */
struct bfloat16 {
  uint16_t bits;
};

template <typename T>
FLASHMLA_INLINE constexpr T least(T a, T b) {
  return a < b ? a : b;
}
template <typename T>
FLASHMLA_INLINE constexpr T most(T a, T b) {
  return a < b ? b : a;
}
FLASHMLA_INLINE constexpr int64_t ceilDivide(int64_t count, int64_t size) { return (count + size - 1) / size; }
FLASHMLA_INLINE constexpr int64_t roundUp(int64_t count, int64_t multiple) { return ceilDivide(count, multiple) * multiple; }

template <typename To, typename From>
FLASHMLA_INLINE To bitsOf(From from) {
  static_assert(sizeof(To) == sizeof(From), "the same bits");
  To to;
  memcpy(&to, &from, sizeof to);
  return to;
}

/** x − 0 is x, and compiles to a broadcast; x + 0 is not, where x is −0. */
FLASHMLA_INLINE f32v splat(float x) { return x - f32v{}; }
FLASHMLA_INLINE i32v splat(int32_t x) { return i32v{} + x; }

template <typename V>
FLASHMLA_INLINE V loadVector(const void* from) {
  V v;
  memcpy(&v, from, sizeof v);
  return v;
}

FLASHMLA_INLINE f32v load(const float* from) { return loadVector<f32v>(from); }
FLASHMLA_INLINE f32v load(const bfloat16* from) {
  return bitsOf<f32v>(__builtin_convertvector(loadVector<u16v>(from), u32v) << 16);
}
FLASHMLA_INLINE void store(float* to, f32v v) { memcpy(to, &v, sizeof v); }

/** Round to nearest, ties to even; NaN stays NaN. The bits of bfloat16, in words. */
FLASHMLA_INLINE u32v roundToBfloat16(f32v v) {
  const u32v bits = bitsOf<u32v>(v);
  const u32v rounded = (bits + (((bits >> 16) & 1) + 0x7fff)) >> 16;
  return v == v ? rounded : (bits >> 16) | 0x40;
}
/** The same, but that subnormal numbers may become 0. */
FLASHMLA_INLINE u16v narrow(f32v v) {
#if defined(__AVX512BF16__)
  return bitsOf<u16v>(_mm512_cvtneps_pbh(bitsOf<__m512>(v)));
#else
  return __builtin_convertvector(roundToBfloat16(v), u16v);
#endif
}
FLASHMLA_INLINE void store(bfloat16* to, f32v v) {
  const u16v bits = narrow(v);
  memcpy(to, &bits, sizeof bits);
}

/** Has elements fetched to cache. */
template <typename T>
FLASHMLA_INLINE void prefetch(const T* from, int64_t count) {
  for (int64_t i = 0; i < count; i += 64 / static_cast<int64_t>(sizeof(T))) __builtin_prefetch(from + i);
}

/** The first `count` < lanes elements, and zeros. */
template <typename T>
FLASHMLA_INLINE f32v loadPart(const T* from, int64_t count) {
#if defined(__AVX512F__)
  const __mmask16 mask = static_cast<__mmask16>((1u << count) - 1);
  if constexpr (sizeof(T) == 4) return bitsOf<f32v>(_mm512_maskz_loadu_ps(mask, from));
  const __m512i wide = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, from));
  return bitsOf<f32v>(_mm512_slli_epi32(wide, 16));
#endif
  T part[lanes] = {};
  memcpy(part, from, static_cast<size_t>(count) * sizeof(T));
  return load(part);
}
template <typename T>
FLASHMLA_INLINE void storePart(T* to, f32v v, int64_t count) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) {
    return _mm512_mask_storeu_ps(to, static_cast<__mmask16>((1u << count) - 1), bitsOf<__m512>(v));
  }
#endif
  T part[lanes];
  store(part, v);
  memcpy(to, part, static_cast<size_t>(count) * sizeof(T));
}

FLASHMLA_INLINE float widen(float x) { return x; }
FLASHMLA_INLINE float widen(bfloat16 x) { return bitsOf<float>(static_cast<uint32_t>(x.bits) << 16); }

FLASHMLA_INLINE void assign(float* to, float x) { *to = x; }
FLASHMLA_INLINE void assign(bfloat16* to, float x) { to->bits = narrow(splat(x))[0]; }

/** Calls `whole(i)` for each whole vector of `count` elements and `part(i, left)` for what is left. */
template <typename Whole, typename Part>
FLASHMLA_INLINE void eachVector(int64_t count, Whole whole, Part part) {
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) whole(i);
  if (i < count) part(i, count - i);
}

/** Calls `body(read, write)` for each vector of rows of `count`; lanes beyond the end read 0 and are not written. */
template <typename Body>
FLASHMLA_INLINE void eachRowVector(int64_t count, Body body) {
  eachVector(
      count,
      [&](int64_t i) { body([&](const float* row) { return load(row + i); }, [&](float* row, f32v v) { store(row + i, v); }); },
      [&](int64_t i, int64_t left) {
        body([&](const float* row) { return loadPart(row + i, left); },
             [&](float* row, f32v v) { storePart(row + i, v, left); });
      });
}

FLASHMLA_INLINE f32v multiplyAdd(f32v a, f32v b, f32v c) { return a * b + c; }
FLASHMLA_INLINE f32v select(i32v mask, f32v yes, f32v no) { return mask ? yes : no; }
/** `a` where b is NaN, and where they are equal: what x86 gives for (b, a), and compilers do not see in a < b ? b : a. */
FLASHMLA_INLINE f32v larger(f32v a, f32v b) {
#if defined(__AVX512F__)
  return bitsOf<f32v>(_mm512_max_ps(bitsOf<__m512>(b), bitsOf<__m512>(a)));
#elif defined(__AVX2__)
  return bitsOf<f32v>(_mm256_max_ps(bitsOf<__m256>(b), bitsOf<__m256>(a)));
#else
  return a < b ? b : a;
#endif
}
FLASHMLA_INLINE f32v smaller(f32v a, f32v b) { return b < a ? b : a; }
FLASHMLA_INLINE f32v magnitude(f32v x) { return bitsOf<f32v>(bitsOf<i32v>(x) & 0x7fffffff); }

FLASHMLA_INLINE f32v squareRoot(f32v x) {
#if defined(__AVX512F__)
  return bitsOf<f32v>(_mm512_sqrt_ps(bitsOf<__m512>(x)));
#elif defined(__AVX2__)
  return bitsOf<f32v>(_mm256_sqrt_ps(bitsOf<__m256>(x)));
#else
  for (int i = 0; i < lanes; i++) x[i] = __builtin_sqrtf(x[i]);
  return x;
#endif
}

FLASHMLA_INLINE float sumLanes(f32v x) {
#if defined(__AVX512F__)
  return _mm512_reduce_add_ps(bitsOf<__m512>(x));
#else
  float sum[lanes];
  store(sum, x);
  for (int width = lanes / 2; width > 0; width /= 2)
    for (int i = 0; i < width; i++) sum[i] += sum[i + width];
  return sum[0];
#endif
}
FLASHMLA_INLINE float maxLanes(f32v x) {
  float high[lanes];
  store(high, x);
  for (int width = lanes / 2; width > 0; width /= 2)
    for (int i = 0; i < width; i++) high[i] = most(high[i], high[i + width]);
  return high[0];
}

constexpr float infinity = __builtin_inff();

/**
 * e^x for x ≤ 88 as 2^y, y = x·log₂ e = n + f, |f| ≤ ½: 2^f by the polynomial of degree 5 with the least relative error
 * (9e-8; 1 at 0), 2^n by its exponent bits. What y is rounded by adds |x|·6e-8, which matters only where e^x is tiny.
 * Below −87.3 the result is 0.
 */
FLASHMLA_INLINE f32v exp(f32v x) {
  const f32v shift = splat(12583039.0f);  // 1.5·2²³ + 127: rounds to whole numbers, and leaves the biased exponent below.
  const f32v y = x * 1.44269504f;
  const f32v shifted = y + shift;
  const f32v f = y - (shifted - shift);
  f32v p = splat(1.326472878e-3f);
  p = multiplyAdd(p, f, splat(9.671513937e-3f));
  p = multiplyAdd(p, f, splat(5.550733751e-2f));
  p = multiplyAdd(p, f, splat(0.2402224207f));
  p = multiplyAdd(p, f, splat(0.6931469776f));
  p = multiplyAdd(p, f, splat(1.0f));
  const f32v power = bitsOf<f32v>(bitsOf<i32v>(shifted) << 23);
  return x < -87.3f ? f32v{} : p * power;
}

/** tanh x = 1 − 2 / (e^2x + 1); 1 in float32 from x = 9.1 on. */
FLASHMLA_INLINE f32v tanh(f32v x) { return 1.0f - 2.0f / (exp(smaller(x + x, splat(40.0f))) + 1.0f); }

/** erf x to 1.5e-7 absolute, given e^(−x²): Abramowitz & Stegun 7.1.26. */
FLASHMLA_INLINE f32v errorFunction(f32v x, f32v gaussian) {
  const f32v a = magnitude(x);
  const f32v t = 1.0f / multiplyAdd(splat(0.3275911f), a, splat(1.0f));
  f32v p = splat(1.061405429f);
  p = multiplyAdd(p, t, splat(-1.453152027f));
  p = multiplyAdd(p, t, splat(1.421413741f));
  p = multiplyAdd(p, t, splat(-0.284496736f));
  p = multiplyAdd(p, t, splat(0.254829592f));
  const f32v y = 1.0f - p * t * gaussian;
  return bitsOf<f32v>(bitsOf<i32v>(y) | (bitsOf<i32v>(x) & static_cast<int32_t>(0x80000000)));
}

/** x·Φ(x), Hendrycks & Gimpel 2016, arXiv 1606.08415. */
FLASHMLA_INLINE f32v gelu(f32v x) {
  const f32v half = x * 0.5f;
  const f32v y = x * 0.70710678f;
  return multiplyAdd(half, errorFunction(y, exp(-(y * y))), half);
}

/** The tanh approximation of gelu, ibid. */
FLASHMLA_INLINE f32v geluTanh(f32v x) {
  const f32v half = x * 0.5f;
  return multiplyAdd(half, tanh(0.7978845608f * multiplyAdd(splat(0.044715f), x * x * x, x)), half);
}

/** The derivative of gelu: Φ(x) + x·φ(x). */
FLASHMLA_INLINE f32v geluSlope(f32v x) {
  const f32v y = x * 0.70710678f;
  const f32v gaussian = exp(-(y * y));
  return multiplyAdd(x * gaussian, splat(0.3989422804f), 0.5f * errorFunction(y, gaussian) + 0.5f);
}

/** The derivative of geluTanh: (1 + t + x·(1 − t²)·√(2/π)·(1 + 3·0.044715·x²)) / 2 with t the hyperbolic tangent there. */
FLASHMLA_INLINE f32v geluTanhSlope(f32v x) {
  const f32v cubic = 0.044715f * (x * x);
  const f32v t = tanh(0.7978845608f * multiplyAdd(cubic, x, x));
  const f32v inner = 0.7978845608f * (3.0f * cubic + 1.0f);
  return 0.5f * (1.0f + t + x * inner * (1.0f - t * t));
}

/** ln x for x ≥ 0, to about 2 ulp, by the polynomial of Cephes' logf (Moshier); ln 0 = −∞, ln NaN = NaN. */
FLASHMLA_INLINE f32v log(f32v x) {
  const i32v exponent = (bitsOf<i32v>(x) - 0x3f3504f3) >> 23;
  const f32v e = __builtin_convertvector(exponent, f32v);
  const f32v r = bitsOf<f32v>(bitsOf<i32v>(x) - (exponent << 23)) - 1.0f;
  const f32v z = r * r;
  f32v p = multiplyAdd(splat(7.0376836292e-2f), r, splat(-1.1514610310e-1f));
  p = multiplyAdd(p, r, splat(1.1676998740e-1f));
  p = multiplyAdd(p, r, splat(-1.2420140846e-1f));
  p = multiplyAdd(p, r, splat(1.4249322787e-1f));
  p = multiplyAdd(p, r, splat(-1.6668057665e-1f));
  p = multiplyAdd(p, r, splat(2.0000714765e-1f));
  p = multiplyAdd(p, r, splat(-2.4999993993e-1f));
  p = multiplyAdd(p, r, splat(3.3333331174e-1f));
  f32v y = p * r * z;
  y = multiplyAdd(e, splat(-2.12194440e-4f), y);
  y = multiplyAdd(z, splat(-0.5f), y);
  y = r + y;
  // x − x is 0, or NaN where x is: its bits say nothing about a logarithm.
  y = multiplyAdd(e, splat(0.693359375f), y) + (x - x);
  return x == 0.0f ? splat(-infinity) : y;
}

}  // namespace FLASHMLA_ARCHITECTURE
}  // namespace flashmla
