// The sums of each residual group over its keys: Σ key, Σ value, and how many keys there are. A block a group.

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
  float* const to = groups + size_t(blockIdx.x) * width;
  for (int feature = int(threadIdx.x) * 4; feature < 2 * head_dim; feature += int(blockDim.x) * 4) {
    const T* const rows = (feature < head_dim ? key + feature : value + feature - head_dim) + start;
    float4 sum = zero4();
    for (int position = first; position < first + group_keys; position++) {
      const int token = listed.token_of(position);
      if (token >= 0) add4(sum, 1.0f, load4(rows + size_t(token) * strides.token));
    }
    store4(to + feature, sum);
  }
  if (threadIdx.x > 0) return;
  int there = 0;
  for (int position = first; position < first + group_keys; position++) there += listed.token_of(position) >= 0;
  store4(to + 2 * head_dim, make_float4(float(there), 0.0f, 0.0f, 0.0f));
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
