// The second step of attention whose keys were split: joins what the parts of a query left (attention.cuh).

#include "attention.cuh"

/** A warp joins the parts of a query. */
template <typename T>
DEVICE void merge_splits(const float* partial, T* output, float* lse, int parts, const AttentionSizes& sizes, int rows) {
  const long long index = static_cast<long long>(blockIdx.x) * (blockDim.x / 32) + threadIdx.x / 32;
  if (index >= static_cast<long long>(rows) * sizes.queries) return;
  const int lane = threadIdx.x % 32;
  const int row = int(index / sizes.queries);
  const int query = int(index % sizes.queries);
  const int width = sizes.head_dim + 4;
  const float* const from = partial + size_t(index) * parts * width;
  float maximum = -INFINITE;
  for (int part = 0; part < parts; part++) maximum = fmaxf(maximum, from[part * width + sizes.head_dim]);
  const float base = softmax_base(maximum);
  float total = 0.0f;
  for (int part = 0; part < parts; part++) {
    const float* const of_part = from + part * width + sizes.head_dim;
    total += of_part[1] * exp2f(of_part[0] - base);
  }
  const float factor = softmax_factor(total);
  T* const to = output + sizes.of_queries.head_start(row, sizes.heads) + size_t(query) * sizes.of_queries.token;
  for (int feature = lane * 4; feature < sizes.head_dim; feature += 128) {
    float4 sum = zero4();
    for (int part = 0; part < parts; part++) {
      add4(sum, exp2f(from[part * width + sizes.head_dim] - base), load4(from + part * width + feature));
    }
    scale4(sum, factor);
    store4(to + feature, sum);
  }
  if (lane == 0) lse[index] = log_sum_exp(maximum, total);
}

#define MERGE_SPLITS(type, suffix)                                                                        \
  KERNEL(merge_splits_##suffix, 128, (const float* partial, type* output, float* lse, int rows, int parts, \
                                      ATTENTION_WORDS)) {                                                 \
    merge_splits(partial, output, lse, parts, ATTENTION_SIZES, rows);                                     \
  }

MERGE_SPLITS(float, f32)
MERGE_SPLITS(float16, f16)
MERGE_SPLITS(bfloat16, bf16)
#undef MERGE_SPLITS
