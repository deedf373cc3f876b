// block-pool: the mean, or maximum, minimum and mean, of the present tokens of each block.

#pragma once

#include "words.hpp"

namespace flashmla {
namespace FLASHMLA_ARCHITECTURE {

/**
 * A task is a block of a head. words: input, mask or 0, pooled, present, heads, tokens, features, block, blocks, extremes,
 * then strides of batch, head and token in elements
 */
template <typename T>
void blockPool(const double* arguments, int64_t task, char*) {
  Words words(arguments);
  const T* input = words.pointer<const T>();
  const uint8_t* mask = words.pointer<const uint8_t>();
  float* pooled = words.pointer<float>();
  uint8_t* present = words.pointer<uint8_t>();
  const int64_t heads = words.integer();
  const int64_t tokens = words.integer();
  const int64_t features = words.integer();
  const int64_t block = words.integer();
  const int64_t blocks = words.integer();
  const bool extremes = words.integer() != 0;
  const int64_t batchStride = words.integer();
  const int64_t headStride = words.integer();
  const int64_t tokenStride = words.integer();
  const int64_t number = task % blocks;
  const int64_t batch = task / blocks / heads;
  const int64_t head = task / blocks % heads;
  const T* rows = input + batch * batchStride + head * headStride;
  float* largest = pooled + task * features * (extremes ? 3 : 1);
  float* smallest = largest + features;
  float* mean = extremes ? smallest + features : largest;
  memset(largest, 0, static_cast<size_t>(features * (extremes ? 3 : 1)) * sizeof(float));
  int64_t count = 0;
  for (int64_t token = number * block; token < least((number + 1) * block, tokens); token++) {
    if (mask && !mask[batch * tokens + token]) continue;
    const T* row = rows + token * tokenStride;
    for (int64_t i = 0; i < features; i++) {
      const float x = widen(row[i]);
      mean[i] += x;
      if (!extremes) continue;
      largest[i] = count == 0 ? x : most(largest[i], x);
      smallest[i] = count == 0 ? x : least(smallest[i], x);
    }
    count++;
  }
  if (count > 1) {
    for (int64_t i = 0; i < features; i++) mean[i] /= static_cast<float>(count);
  }
  if (head == 0) present[batch * blocks + number] = count > 0;
}

}  // namespace FLASHMLA_ARCHITECTURE
}  // namespace flashmla
