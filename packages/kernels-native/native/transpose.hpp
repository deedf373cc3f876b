// Rows and columns exchanged.

#pragma once

#include "simd.hpp"

namespace flashmla {
namespace FLASHMLA_ARCHITECTURE {

/** to[16][16] = from[16][16], rows and columns exchanged; rows lie a stride apart on either side. */
FLASHMLA_INLINE void transpose16(const float* from, int64_t fromStride, float* to, int64_t toStride) {
#if defined(__AVX512F__)
  __m512 r[16], t[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; i++) r[i] = _mm512_loadu_ps(from + i * fromStride);
  // Pairs of rows, pairs of pairs, and then lanes of 128 bits twice.
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    const auto low = [&](int a, int b) {
      return _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(t[a]), _mm512_castps_pd(t[b])));
    };
    const auto high = [&](int a, int b) {
      return _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(t[a]), _mm512_castps_pd(t[b])));
    };
    r[i] = low(i, i + 2);
    r[i + 1] = high(i, i + 2);
    r[i + 2] = low(i + 1, i + 3);
    r[i + 3] = high(i + 1, i + 3);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    t[i] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0xdd);
  }
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++) {
    _mm512_storeu_ps(to + i * toStride, _mm512_shuffle_f32x4(t[i], t[i + 8], 0x88));
    _mm512_storeu_ps(to + (i + 8) * toStride, _mm512_shuffle_f32x4(t[i], t[i + 8], 0xdd));
  }
#else
  for (int64_t row = 0; row < 16; row++)
    for (int64_t column = 0; column < 16; column++) to[column * toStride + row] = from[row * fromStride + column];
#endif
}

}  // namespace FLASHMLA_ARCHITECTURE
}  // namespace flashmla
