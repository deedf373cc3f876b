// adam-w: a step of every parameter by itself.

#pragma once

#include "elements.hpp"

namespace flashmla {
namespace FLASHMLA_ARCHITECTURE {

/**
 * words: parameter, gradient, firstMoment, secondMoment, schedule, the new parameter, firstMoment and secondMoment, elements,
 * beta1, 1 − beta1, beta2, 1 − beta2, epsilon, weightDecay
 */
inline void adamW(const double* arguments, int64_t task, char*) {
  Words words(arguments);
  const float* parameter = words.pointer<const float>();
  const float* gradient = words.pointer<const float>();
  const float* firstMoment = words.pointer<const float>();
  const float* secondMoment = words.pointer<const float>();
  const float* schedule = words.pointer<const float>();
  float* newParameter = words.pointer<float>();
  float* newFirstMoment = words.pointer<float>();
  float* newSecondMoment = words.pointer<float>();
  const int64_t elements = words.integer();
  const float beta1 = words.number();
  const float share1 = words.number();
  const float beta2 = words.number();
  const float share2 = words.number();
  const float epsilon = words.number();
  const float weightDecay = words.number();
  const float rate = schedule[0], scale = schedule[1], correction1 = schedule[2], correction2 = schedule[3];
  eachElementVector(elements, task, [&](auto read, auto write) {
    const f32v g = read(gradient) * scale;
    const f32v m = read(firstMoment) * beta1 + g * share1;
    const f32v v = read(secondMoment) * beta2 + g * g * share2;
    const f32v step = m * correction1 / (squareRoot(v * correction2) + epsilon);
    const f32v x = read(parameter);
    // Decay and step as one: 1 − learningRate · weightDecay has hardly a digit of the product in float32.
    write(newParameter, x - rate * (x * weightDecay + step));
    write(newFirstMoment, m);
    write(newSecondMoment, v);
  });
}

}  // namespace FLASHMLA_ARCHITECTURE
}  // namespace flashmla
