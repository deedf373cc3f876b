// activation and activation-gradient: what `linear` applies to its sums, and its derivative, element by element.

#pragma once

#include "elements.hpp"
#include "linear-gradient.hpp"

namespace flashmla {
namespace FLASHMLA_ARCHITECTURE {

template <Activation kind>
inline void activateElements(Words words, int64_t task) {
  const float* input = words.pointer<const float>();
  float* output = words.pointer<float>();
  eachElementVector(words.integer(), task, [&](auto read, auto write) { write(output, activated<kind>(read(input))); });
}

template <Activation kind>
inline void slopeElements(Words words, int64_t task) {
  const float* input = words.pointer<const float>();
  const float* flowing = words.pointer<const float>();
  float* output = words.pointer<float>();
  eachElementVector(words.integer(), task, [&](auto read, auto write) {
    write(output, read(flowing) * slope<kind>(read(input)));
  });
}

/** words: activation (not `none`), input, output, elements */
inline void activation(const double* arguments, int64_t task, char*) {
  Words words(arguments);
  switch (static_cast<Activation>(words.integer())) {
    case Activation::none: return;
    case Activation::gelu: return activateElements<Activation::gelu>(words, task);
    case Activation::geluTanh: return activateElements<Activation::geluTanh>(words, task);
    case Activation::tanh: return activateElements<Activation::tanh>(words, task);
    case Activation::relu: return activateElements<Activation::relu>(words, task);
  }
}

/** words: activation (not `none`), input, outputGradient, inputGradient, elements */
inline void activationGradient(const double* arguments, int64_t task, char*) {
  Words words(arguments);
  switch (static_cast<Activation>(words.integer())) {
    case Activation::none: return;
    case Activation::gelu: return slopeElements<Activation::gelu>(words, task);
    case Activation::geluTanh: return slopeElements<Activation::geluTanh>(words, task);
    case Activation::tanh: return slopeElements<Activation::tanh>(words, task);
    case Activation::relu: return slopeElements<Activation::relu>(words, task);
  }
}

}  // namespace FLASHMLA_ARCHITECTURE
}  // namespace flashmla
