// Products of narrow numbers: what an architecture multiplies of bfloat16 and int8, beside Float32 (matmul.hpp).
//
// A unit, 32 bits of depth, is 2 bfloat16, or 4 int8 where there are instructions for them (VNNI), or else 2 of them as
// int16. Sums are float32 and int32.

#pragma once

#include <type_traits>

#include "matmul.hpp"

namespace flashmla {
namespace FLASHMLA_ARCHITECTURE {

struct Units {
  using Unit = uint32_t;
  using Vector = i32v;
  static FLASHMLA_INLINE Vector broadcast(Unit a) { return splat(static_cast<int32_t>(a)); }
  static FLASHMLA_INLINE Vector read(const Unit* b) { return loadVector<i32v>(b); }
};

#if defined(__AVX512BF16__)
#define FLASHMLA_BFLOAT16_PRODUCTS 1
struct Bfloat16 : Units {
  using Sum = f32v;
  static constexpr int perUnit = 2;
  static FLASHMLA_INLINE Sum add(Sum sum, Vector a, Vector b) {
    return bitsOf<f32v>(_mm512_dpbf16_ps(bitsOf<__m512>(sum), bitsOf<__m512bh>(a), bitsOf<__m512bh>(b)));
  }
};
#else
#define FLASHMLA_BFLOAT16_PRODUCTS 0
#endif

struct Int8 : Units {
  using Sum = i32v;
#if defined(__AVX512VNNI__)
  /** The instruction takes A without a sign: A is stored as a + 128, and 128 · Σ b is subtracted from each sum. */
  using Element = uint8_t;
  static constexpr int32_t offset = 128;
  static FLASHMLA_INLINE Sum add(Sum sum, Vector a, Vector b) {
    return bitsOf<i32v>(_mm512_dpbusd_epi32(bitsOf<__m512i>(sum), bitsOf<__m512i>(a), bitsOf<__m512i>(b)));
  }
#else
  using Element = int16_t;
  static constexpr int32_t offset = 0;
  static FLASHMLA_INLINE Sum add(Sum sum, Vector a, Vector b) {
#if defined(__AVX512F__)
    return sum + bitsOf<i32v>(_mm512_madd_epi16(bitsOf<__m512i>(a), bitsOf<__m512i>(b)));
#elif defined(__AVX2__)
    return sum + bitsOf<i32v>(_mm256_madd_epi16(bitsOf<__m256i>(a), bitsOf<__m256i>(b)));
#else
    // The even and the odd elements, widened.
    return sum + ((a << 16) >> 16) * ((b << 16) >> 16) + (a >> 16) * (b >> 16);
#endif
  }
#endif
  /** Of B: as many in a unit as of A, with a sign. */
  using WeightElement = std::conditional_t<sizeof(Element) == 1, int8_t, int16_t>;
  static constexpr int perUnit = 4 / sizeof(Element);
};

}  // namespace FLASHMLA_ARCHITECTURE
}  // namespace flashmla
