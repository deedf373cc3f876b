// block-pool: a thread a feature of a block of tokens. Statistics are float32 in any precision. Whether a block has a present
// token is written by the thread of the first head's first feature.

#include "vectors.cuh"

template <typename T>
DEVICE void block_pool(const T* input, const unsigned char* mask, float* pooled, unsigned char* present, int rows,
                       int heads, int tokens, int features, int block, int extremes, const Strides& strides) {
  const int blocks = (tokens + block - 1) / block;
  const long long index = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (index >= static_cast<long long>(rows) * blocks * features) return;
  const int feature = int(index % features);
  const long long place = index / features;
  const int number = int(place % blocks);
  const int row = int(place / blocks);
  const int entry = row / heads;
  const T* const from = input + strides.head_start(row, heads) + feature;
  float sum = 0.0f, largest = 0.0f, least = 0.0f;
  int found = 0;
  for (int token = number * block; token < min((number + 1) * block, tokens); token++) {
    if (mask && mask[size_t(entry) * tokens + token] == 0) continue;
    const float value = to_float(from[size_t(token) * strides.token]);
    largest = found > 0 ? fmaxf(largest, value) : value;
    least = found > 0 ? fminf(least, value) : value;
    sum += value;
    found++;
  }
  const float mean = sum / float(max(found, 1));
  if (extremes) {
    float* const to = pooled + place * 3 * features + feature;
    to[0] = largest;
    to[features] = least;
    to[2 * features] = mean;
  } else {
    pooled[index] = mean;
  }
  if (row % heads == 0 && feature == 0) present[size_t(entry) * blocks + number] = found > 0;
}

#define BLOCK_POOL(type, suffix)                                                                                      \
  KERNEL(block_pool_##suffix, 128, (const type* input, const unsigned char* mask, float* pooled,                      \
                                    unsigned char* present, int rows, int heads, int tokens, int features, int block, \
                                    int extremes, int input_batch, int input_head, int input_token)) {                \
    block_pool(input, mask, pooled, present, rows, heads, tokens, features, block, extremes,                          \
               {input_batch, input_head, input_token});                                                               \
  }

BLOCK_POOL(float, f32)
BLOCK_POOL(float16, f16)
BLOCK_POOL(bfloat16, bf16)
#undef BLOCK_POOL
