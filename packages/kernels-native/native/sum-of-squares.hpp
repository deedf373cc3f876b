// sum-of-squares: pieces, then their sums, in float64, which holds a float32's square exactly.

#pragma once

#include "elements.hpp"

namespace flashmla {
namespace FLASHMLA_ARCHITECTURE {

typedef double f64v __attribute__((vector_size(8 * FLASHMLA_LANES)));

/** words: input, partials double [⌈elements / taskElements⌉], output, elements */
inline void squarePieces(const double* arguments, int64_t task, char*) {
  Words words(arguments);
  const float* input = words.pointer<const float>();
  double* partials = words.pointer<double>();
  words.pointer<float>();
  f64v sums = {};
  eachElementVector(words.integer(), task, [&](auto read, auto) {
    const f64v x = __builtin_convertvector(read(input), f64v);
    sums += x * x;
  });
  double sum = 0;
  for (int i = 0; i < lanes; i++) sum += sums[i];
  partials[task] = sum;
}

/** Adds up the pieces' sums, in their order; one task. */
inline void squareTotal(const double* arguments, int64_t, char*) {
  Words words(arguments);
  words.pointer<const float>();
  const double* partials = words.pointer<const double>();
  float* output = words.pointer<float>();
  const int64_t pieces = ceilDivide(words.integer(), taskElements);
  double sum = 0;
  for (int64_t piece = 0; piece < pieces; piece++) sum += partials[piece];
  *output = static_cast<float>(sum);
}

}  // namespace FLASHMLA_ARCHITECTURE
}  // namespace flashmla
