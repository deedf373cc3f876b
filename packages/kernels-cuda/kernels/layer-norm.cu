// layer-norm: the residual is added on the way. A block a row; the sums stay in registers, as far as OWN a thread reach, and
// are made again beyond. Mean first, then the squares of what is left: one pass over both loses digits.

#include "reduce.cuh"

template <typename T>
DEVICE void layer_norm(const T* input, const T* residual, const T* weight, const T* bias, T* output, int model_dim,
                       float epsilon) {
  constexpr int THREADS = 128;
  constexpr int OWN = 8;
  const size_t start = size_t(blockIdx.x) * model_dim;
  const auto value = [&](int feature) {
    return to_float(input[start + feature]) + (residual ? to_float(residual[start + feature]) : 0.0f);
  };
  float own[OWN];
#pragma unroll
  for (int i = 0; i < OWN; i++) {
    const int feature = i * THREADS + threadIdx.x;
    own[i] = feature < model_dim ? value(feature) : 0.0f;
  }
  // Calls `use` with each of the thread's features and its value.
  const auto each = [&](const auto& use) {
#pragma unroll
    for (int i = 0; i < OWN; i++) {
      const int feature = i * THREADS + threadIdx.x;
      if (feature < model_dim) use(feature, own[i]);
    }
    for (int feature = OWN * THREADS + threadIdx.x; feature < model_dim; feature += THREADS) use(feature, value(feature));
  };

  float sum = 0.0f;
  each([&](int, float x) { sum += x; });
  const float mean = block_sum<THREADS>(sum) / model_dim;
  float squares = 0.0f;
  each([&](int, float x) { squares += (x - mean) * (x - mean); });
  const float factor = rsqrtf(block_sum<THREADS>(squares) / model_dim + epsilon);
  each([&](int feature, float x) {
    output[start + feature] =
        from_float<T>((x - mean) * factor * to_float(weight[feature]) + to_float(bias[feature]));
  });
}

#define LAYER_NORM(type, suffix)                                                                                   \
  KERNEL(layer_norm_##suffix, 128, (const type* input, const type* residual, const type* weight, const type* bias, \
                                    type* output, int model_dim, float epsilon)) {                                 \
    layer_norm(input, residual, weight, bias, output, model_dim, epsilon);                                         \
  }

LAYER_NORM(float, f32)
LAYER_NORM(float16, f16)
LAYER_NORM(bfloat16, bf16)
#undef LAYER_NORM
