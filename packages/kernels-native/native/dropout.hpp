// dropout: a hash of an element's number and the seed says whether it is kept.

#pragma once

#include "elements.hpp"

namespace flashmla {
namespace FLASHMLA_ARCHITECTURE {

/** lowbias32, see the op's declaration. */
FLASHMLA_INLINE u32v mix(u32v x) {
  x = (x ^ (x >> 16)) * 0x7feb352du;
  x = (x ^ (x >> 15)) * 0x846ca68bu;
  return x ^ (x >> 16);
}

/** words: input, seed, output, elements, the least hash that is kept, 1 / (1 − rate) */
inline void dropout(const double* arguments, int64_t task, char*) {
  Words words(arguments);
  const float* input = words.pointer<const float>();
  const uint32_t seed = *words.pointer<const uint32_t>();
  float* output = words.pointer<float>();
  const int64_t elements = words.integer();
  const uint32_t threshold = static_cast<uint32_t>(words.integer());
  const float scale = words.number();
  u32v numbers;
  for (int i = 0; i < lanes; i++) numbers[i] = static_cast<uint32_t>(task * taskElements + i);
  eachElementVector(elements, task, [&](auto read, auto write) {
    write(output, select(mix(mix(numbers) + seed) >= threshold, read(input) * scale, f32v{}));
    numbers += lanes;
  });
}

}  // namespace FLASHMLA_ARCHITECTURE
}  // namespace flashmla
