// layer-norm: output = (y − mean) / √(variance + epsilon) · weight + bias with y = input (+ residual), per row.
// Two passes over the row for the variance: the one-pass formula loses digits where the mean is large.

#pragma once

#include "words.hpp"

namespace flashmla {
namespace FLASHMLA_ARCHITECTURE {

constexpr int64_t normRows = 16;

/**
 * A task is normRows rows. words: input, residual or 0, weight, bias, output, rows, modelDim, epsilon
 * scratch: modelDim float
 */
template <typename T>
void layerNorm(const double* arguments, int64_t task, char* scratch) {
  Words words(arguments);
  const T* input = words.pointer<const T>();
  const T* residual = words.pointer<const T>();
  const T* weight = words.pointer<const T>();
  const T* bias = words.pointer<const T>();
  T* output = words.pointer<T>();
  const int64_t rows = words.integer();
  const int64_t modelDim = words.integer();
  const float epsilon = words.number();
  float* y = reinterpret_cast<float*>(scratch);
  for (int64_t row = task * normRows; row < least(rows, (task + 1) * normRows); row++) {
    const T* x = input + row * modelDim;
    const T* r = residual ? residual + row * modelDim : nullptr;
    T* out = output + row * modelDim;
    f32v sums = {};
    eachVector(
        modelDim,
        [&](int64_t i) {
          const f32v v = r ? load(x + i) + load(r + i) : load(x + i);
          store(y + i, v);
          sums += v;
        },
        [&](int64_t i, int64_t left) {
          const f32v v = r ? loadPart(x + i, left) + loadPart(r + i, left) : loadPart(x + i, left);
          storePart(y + i, v, left);
          sums += v;
        });
    const float mean = sumLanes(sums) / static_cast<float>(modelDim);
    f32v squares = {};
    eachVector(
        modelDim,
        [&](int64_t i) {
          const f32v v = load(y + i) - mean;
          squares += v * v;
        },
        [&](int64_t i, int64_t left) {
          float part[lanes] = {};
          for (int64_t j = 0; j < left; j++) part[j] = y[i + j] - mean;
          squares += load(part) * load(part);
        });
    const float inverse = 1.0f / __builtin_sqrtf(sumLanes(squares) / static_cast<float>(modelDim) + epsilon);
    eachVector(
        modelDim,
        [&](int64_t i) { store(out + i, (load(y + i) - mean) * inverse * load(weight + i) + load(bias + i)); },
        [&](int64_t i, int64_t left) {
          const f32v v = (loadPart(y + i, left) - mean) * inverse;
          storePart(out + i, v * loadPart(weight + i, left) + loadPart(bias + i, left), left);
        });
  }
}

}  // namespace FLASHMLA_ARCHITECTURE
}  // namespace flashmla
