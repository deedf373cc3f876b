// cross-entropy: loss and gradient of each row of logits; the largest logit is taken out of the exponentials.

#pragma once

#include "words.hpp"

namespace flashmla {
namespace FLASHMLA_ARCHITECTURE {

constexpr int64_t entropyRows = 16;

/** A task is entropyRows rows. words: logits, labels, loss, logitsGradient, rows, classes, scale */
inline void crossEntropy(const double* arguments, int64_t task, char*) {
  Words words(arguments);
  const float* logits = words.pointer<const float>();
  const int32_t* labels = words.pointer<const int32_t>();
  float* losses = words.pointer<float>();
  float* gradient = words.pointer<float>();
  const int64_t rows = words.integer();
  const int64_t classes = words.integer();
  const float scale = words.number();
  for (int64_t row = task * entropyRows; row < least(rows, (task + 1) * entropyRows); row++) {
    const float* x = logits + row * classes;
    float* out = gradient + row * classes;
    const int64_t label = labels[row];
    if (label < 0 || label >= classes) {
      losses[row] = 0;
      memset(out, 0, static_cast<size_t>(classes) * sizeof(float));
      continue;
    }
    f32v maxima = splat(-infinity);
    float largest = -infinity;
    eachVector(
        classes, [&](int64_t i) { maxima = larger(maxima, load(x + i)); },
        [&](int64_t i, int64_t left) {
          for (int64_t j = i; j < i + left; j++) largest = most(largest, x[j]);
        });
    largest = most(largest, maxLanes(maxima));
    f32v sums = {};
    float sum = 0;
    eachVector(
        classes,
        [&](int64_t i) {
          const f32v e = exp(load(x + i) - largest);
          store(out + i, e);
          sums += e;
        },
        [&](int64_t i, int64_t left) {
          storePart(out + i, exp(loadPart(x + i, left) - largest), left);
          for (int64_t j = i; j < i + left; j++) sum += out[j];
        });
    sum += sumLanes(sums);
    const float factor = scale / sum;
    eachVector(
        classes, [&](int64_t i) { store(out + i, load(out + i) * factor); },
        [&](int64_t i, int64_t left) { storePart(out + i, loadPart(out + i, left) * factor, left); });
    out[label] -= scale;
    losses[row] = log(splat(sum))[0] + (largest - x[label]);
  }
}

}  // namespace FLASHMLA_ARCHITECTURE
}  // namespace flashmla
