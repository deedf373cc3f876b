// cast: between float32, float16 and bfloat16, by way of float32, which has every number of all three. A NaN keeps its sign
// and what fits of its payload, and becomes a quiet one where bits are dropped.
//
// By integers, not by the instructions there are: that for bfloat16 takes subnormal numbers for 0.

#pragma once

#include "elements.hpp"

namespace flashmla {
namespace FLASHMLA_ARCHITECTURE {

/** A float type: what is stored, in the low bits of words, as float32 and back. */
struct WholeCast {
  using Stored = uint32_t;
  static FLASHMLA_INLINE f32v decode(u32v words) { return bitsOf<f32v>(words); }
  static FLASHMLA_INLINE u32v encode(f32v x) { return bitsOf<u32v>(x); }
};

struct Float16Cast {
  using Stored = uint16_t;
  /** The exponents' bias is 112 less than that of float32. */
  static FLASHMLA_INLINE f32v decode(u32v words) {
    const u32v magnitude = (words & 0x7fff) << 13;
    // Times 2¹¹² also makes subnormal numbers right; infinities and NaN get the exponent that they have in float32.
    const f32v scaled = bitsOf<f32v>(magnitude) * 0x1p112f;
    const u32v special = magnitude >= 0x0f800000 ? u32v{} + 0x7f800000 : u32v{};
    return bitsOf<f32v>(bitsOf<u32v>(scaled) | special | (words & 0x8000) << 16);
  }
  static FLASHMLA_INLINE u32v encode(f32v x) {
    const u32v bits = bitsOf<u32v>(x);
    const u32v magnitude = bits & 0x7fffffff;
    const u32v shifted = magnitude >> 13;
    // From 2⁻¹⁴ on the exponent's bias moves from 127 to 15 and 13 bits are rounded off, to even.
    const u32v normal = (magnitude - (0x38000000 - 0xfff) + (shifted & 1)) >> 13;
    // Below, added to ½, a number is rounded to a whole multiple of 2⁻²⁴, the least float16.
    const u32v small = bitsOf<u32v>(bitsOf<f32v>(magnitude) + 0.5f) - bitsOf<uint32_t>(0.5f);
    u32v half = magnitude < 0x38800000 ? small : normal;
    half = magnitude >= 0x47800000 ? u32v{} + 0x7c00 : half;
    half = magnitude > 0x7f800000 ? (shifted & 0x3ff) | 0x7e00 : half;
    return half | (bits >> 16 & 0x8000);
  }
};

struct Bfloat16Cast {
  using Stored = uint16_t;
  static FLASHMLA_INLINE f32v decode(u32v words) { return bitsOf<f32v>(words << 16); }
  static FLASHMLA_INLINE u32v encode(f32v x) { return roundToBfloat16(x); }
};

/** words: input, output, elements */
template <typename From, typename To>
void cast(const double* arguments, int64_t task, char*) {
  Words words(arguments);
  const typename From::Stored* input = words.pointer<const typename From::Stored>();
  typename To::Stored* output = words.pointer<typename To::Stored>();
  const int64_t end = least(words.integer(), (task + 1) * taskElements);
  typedef typename From::Stored Read __attribute__((vector_size(FLASHMLA_LANES * sizeof(typename From::Stored))));
  typedef typename To::Stored Written __attribute__((vector_size(FLASHMLA_LANES * sizeof(typename To::Stored))));
  for (int64_t i = task * taskElements; i < end; i += lanes) {
    const size_t count = static_cast<size_t>(least<int64_t>(lanes, end - i));
    Read from = {};
    memcpy(&from, input + i, count == lanes ? sizeof from : count * sizeof *input);
    const Written to = __builtin_convertvector(To::encode(From::decode(__builtin_convertvector(from, u32v))), Written);
    memcpy(output + i, &to, count == lanes ? sizeof to : count * sizeof *output);
  }
}

}  // namespace FLASHMLA_ARCHITECTURE
}  // namespace flashmla
