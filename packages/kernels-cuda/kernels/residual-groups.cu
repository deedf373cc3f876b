// The sums of each residual group over its keys: Σ key, Σ value, and how many keys there are. A block a group: a thread four
// features of a slice of the keys.

#include "selection.cuh"

template <typename T>
DEVICE void residual_groups(const T* key, const T* value, const unsigned char* key_mask, const int* key_order,
                            float* groups, int group_count, int group_keys, int heads, int keys, int head_dim,
                            const Strides& strides) {
  const int row = int(blockIdx.x) / group_count;
  const int first = int(blockIdx.x) % group_count * group_keys;
  const int width = 2 * head_dim + 4;
  const size_t start = strides.head_start(row, heads);
  ListedKeys<T> listed = {};
  listed.present = key_mask ? key_mask + size_t(row / heads) * keys : nullptr;
  listed.order = key_order ? key_order + size_t(row) * keys : nullptr;
  listed.keys = keys;
  constexpr int THREADS = 128;
  SHARED(float4, partial, THREADS);
  const int vectors = head_dim / 2;
  const int slices = THREADS / vectors;
  const int slice = int(threadIdx.x) / vectors;
  const int feature = int(threadIdx.x) % vectors * 4;
  float4 sum = zero4();
  int there = 0;
  if (slice < slices) {
    const T* const rows = (feature < head_dim ? key + feature : value + feature - head_dim) + start;
#pragma unroll 4
    for (int position = first + slice; position < first + group_keys; position += slices) {
      const int token = listed.token_of(position);
      if (token < 0) continue;
      add4(sum, 1.0f, load4(rows + size_t(token) * strides.token));
      there++;
    }
  }
  partial[threadIdx.x] = sum;
  SHARED(int, counts, THREADS);
  counts[threadIdx.x] = there;
  __syncthreads();
  if (slice > 0) return;
  for (int other = 1; other < slices; other++) {
    add4(sum, 1.0f, partial[other * vectors + threadIdx.x]);
    there += counts[other * vectors + threadIdx.x];
  }
  float* const to = groups + size_t(blockIdx.x) * width;
  store4(to + feature, sum);
  if (threadIdx.x == 0) store4(to + 2 * head_dim, make_float4(float(there), 0.0f, 0.0f, 0.0f));
}

#define RESIDUAL_GROUPS(type, suffix)                                                                               \
  KERNEL(residual_groups_##suffix, 128, (const type* key, const type* value, const unsigned char* key_mask,          \
                                         const int* key_order, float* groups, int group_count, int group_keys,       \
                                         int heads, int keys, int head_dim, int key_batch, int key_head,             \
                                         int key_token)) {                                                           \
    residual_groups(key, value, key_mask, key_order, groups, group_count, group_keys, heads, keys, head_dim,         \
                    {key_batch, key_head, key_token});                                                               \
  }

RESIDUAL_GROUPS(float, f32)
RESIDUAL_GROUPS(float16, f16)
RESIDUAL_GROUPS(bfloat16, bf16)
#undef RESIDUAL_GROUPS
