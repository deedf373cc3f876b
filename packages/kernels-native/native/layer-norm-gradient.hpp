// layer-norm-gradient: what flows back through a layer norm; mean and deviation are computed again.
//
// The gradients of weight and bias are sums over all rows. A task sums those of its normGradientRows rows, in their order,
// into a row of `partials`; layerNormSums adds these up, in theirs. So they do not depend on who does which task.

#pragma once

#include "words.hpp"

namespace flashmla {
namespace FLASHMLA_ARCHITECTURE {

constexpr int64_t normGradientRows = 64;
/** Columns of a task of layerNormSums. */
constexpr int64_t normGradientColumns = 64;

/**
 * A task is normGradientRows rows.
 * words: input, residual or 0, weight, outputGradient, inputGradient, partials float [⌈rows / normGradientRows⌉][2][modelDim]
 * (of weight and bias), rows, modelDim, epsilon
 */
inline void layerNormGradient(const double* arguments, int64_t task, char*) {
  Words words(arguments);
  const float* input = words.pointer<const float>();
  const float* residual = words.pointer<const float>();
  const float* weight = words.pointer<const float>();
  const float* outputGradient = words.pointer<const float>();
  float* inputGradient = words.pointer<float>();
  float* partials = words.pointer<float>();
  const int64_t rows = words.integer();
  const int64_t modelDim = words.integer();
  const float epsilon = words.number();
  const float share = 1.0f / static_cast<float>(modelDim);
  float* ofWeight = partials + task * 2 * modelDim;
  float* ofBias = ofWeight + modelDim;
  memset(ofWeight, 0, static_cast<size_t>(2 * modelDim) * sizeof(float));
  for (int64_t row = task * normGradientRows; row < least(rows, (task + 1) * normGradientRows); row++) {
    const float* x = input + row * modelDim;
    const float* r = residual ? residual + row * modelDim : nullptr;
    const float* dy = outputGradient + row * modelDim;
    // Holds y, then x̂, before it holds the gradient.
    float* out = inputGradient + row * modelDim;
    f32v sums = {};
    eachRowVector(modelDim, [&](auto read, auto write) {
      const f32v y = r ? read(x) + read(r) : read(x);
      write(out, y);
      sums += y;
    });
    const float mean = sumLanes(sums) * share;
    float squares = 0;
    {
      f32v sum = {};
      eachVector(
          modelDim,
          [&](int64_t i) {
            const f32v v = load(out + i) - mean;
            sum += v * v;
          },
          [&](int64_t i, int64_t left) {
            for (int64_t j = i; j < i + left; j++) squares += (out[j] - mean) * (out[j] - mean);
          });
      squares += sumLanes(sum);
    }
    const float inverse = 1.0f / __builtin_sqrtf(squares * share + epsilon);
    // Sums of g and g ∘ x̂, and this row's part of the gradients of weight and bias.
    f32v gSums = {};
    f32v products = {};
    eachRowVector(modelDim, [&](auto read, auto write) {
      const f32v normal = (read(out) - mean) * inverse;
      const f32v d = read(dy);
      const f32v g = d * read(weight);
      write(out, normal);
      write(ofWeight, read(ofWeight) + d * normal);
      write(ofBias, read(ofBias) + d);
      gSums += g;
      products += g * normal;
    });
    const float meanG = sumLanes(gSums) * share;
    const float meanGNormal = sumLanes(products) * share;
    eachRowVector(modelDim, [&](auto read, auto write) {
      write(out, (read(dy) * read(weight) - (read(out) * meanGNormal + meanG)) * inverse);
    });
  }
}

/** Adds up the partial sums; a task is normGradientColumns columns. words: partials, weightGradient, biasGradient, rows, modelDim */
inline void layerNormSums(const double* arguments, int64_t task, char*) {
  Words words(arguments);
  const float* partials = words.pointer<const float>();
  float* weightGradient = words.pointer<float>();
  float* biasGradient = words.pointer<float>();
  const int64_t rows = words.integer();
  const int64_t modelDim = words.integer();
  const int64_t parts = ceilDivide(rows, normGradientRows);
  const int64_t first = task * normGradientColumns;
  eachRowVector(least(normGradientColumns, modelDim - first), [&](auto read, auto write) {
    f32v ofWeight = {};
    f32v ofBias = {};
    for (int64_t part = 0; part < parts; part++) {
      const float* from = partials + part * 2 * modelDim + first;
      ofWeight += read(from);
      ofBias += read(from + modelDim);
    }
    write(weightGradient + first, ofWeight);
    write(biasGradient + first, ofBias);
  });
}

}  // namespace FLASHMLA_ARCHITECTURE
}  // namespace flashmla
