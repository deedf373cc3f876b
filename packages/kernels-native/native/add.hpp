// add: output = a + b.

#pragma once

#include "elements.hpp"

namespace flashmla {
namespace FLASHMLA_ARCHITECTURE {

/** words: a, b, output, elements */
inline void add(const double* arguments, int64_t task, char*) {
  Words words(arguments);
  const float* a = words.pointer<const float>();
  const float* b = words.pointer<const float>();
  float* output = words.pointer<float>();
  eachElementVector(words.integer(), task, [&](auto read, auto write) { write(output, read(a) + read(b)); });
}

}  // namespace FLASHMLA_ARCHITECTURE
}  // namespace flashmla
