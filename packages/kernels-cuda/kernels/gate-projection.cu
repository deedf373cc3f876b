// gate-projection: a thread a feature of gate space; neighbouring threads share a token's input and read a row of the map
// side by side. The map and the output are float32 in any precision.

#include "vectors.cuh"

template <typename T>
DEVICE void gate_projection(const T* input, const float* map, float* output, int rows, int heads, int tokens,
                            int features, int rank, const Strides& strides) {
  const long long index = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (index >= static_cast<long long>(rows) * tokens * rank) return;
  const int of_rank = int(index % rank);
  const int token = int(index / rank % tokens);
  const int row = int(index / rank / tokens);
  const T* const from = input + strides.head_start(row, heads) + size_t(token) * strides.token;
  const float* const column = map + size_t(row % heads) * features * rank + of_rank;
  float sum = 0.0f;
#pragma unroll 8
  for (int feature = 0; feature < features; feature++) sum += to_float(from[feature]) * column[size_t(feature) * rank];
  output[index] = sum;
}

#define GATE_PROJECTION(type, suffix)                                                                                \
  KERNEL(gate_projection_##suffix, 128, (const type* input, const float* map, float* output, int rows, int heads,    \
                                         int tokens, int features, int rank, int input_batch, int input_head,        \
                                         int input_token)) {                                                         \
    gate_projection(input, map, output, rows, heads, tokens, features, rank, {input_batch, input_head, input_token}); \
  }

GATE_PROJECTION(float, f32)
GATE_PROJECTION(float16, f16)
GATE_PROJECTION(bfloat16, bf16)
#undef GATE_PROJECTION
