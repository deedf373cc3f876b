// select-slots: the tokens that each slot keeps, a block a slot of a head; then each query's copy of its best slot's list, a
// thread a query. Scores are compared as they are, in any precision.

#include "select.cuh"

// scores: [batch, tokens, heads, slot_count]; lists: [batch, heads, slot_count, wanted]
template <typename T>
DEVICE void select_slots(const T* scores, const unsigned char* mask, int* lists, int heads, int tokens, int slot_count,
                         int wanted) {
  using Selection = RadixSelection<128>;
  const int slot = int(blockIdx.x) % slot_count;
  const int head = int(blockIdx.x) / slot_count % heads;
  const size_t first = size_t(int(blockIdx.x) / slot_count / heads) * tokens;
  const auto key_of = [&](int token) -> unsigned {
    if (mask && mask[first + token] == 0) return 0;
    return ordered_key(to_float(scores[((first + token) * heads + head) * slot_count + slot]));
  };
  int* const list = lists + size_t(blockIdx.x) * wanted;
  const Threshold threshold = Selection::threshold_of(tokens, wanted, key_of);
  const int taken = Selection::part(
      tokens, threshold, key_of, [&](int token, int place) { list[place] = token; }, [](int, int) {});
  for (int place = taken + threadIdx.x; place < wanted; place += 128) list[place] = -1;
}

// indices: [batch, heads, tokens, wanted]
template <typename T>
DEVICE void slot_lists(const T* scores, const int* lists, int* indices, int rows, int heads, int tokens, int slot_count,
                       int wanted) {
  const long long index = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (index >= static_cast<long long>(rows) * tokens) return;
  const int token = int(index % tokens);
  const int row = int(index / tokens);
  const T* const of_token = scores + ((size_t(row / heads) * tokens + token) * heads + row % heads) * slot_count;
  int best = 0;
  for (int slot = 1; slot < slot_count; slot++) {
    if (to_float(of_token[slot]) > to_float(of_token[best])) best = slot;
  }
  const int* const list = lists + (size_t(row) * slot_count + best) * wanted;
  for (int place = 0; place < wanted; place++) indices[index * wanted + place] = list[place];
}

#define SELECT_SLOTS(type, suffix)                                                                                 \
  KERNEL(select_slots_##suffix, 128, (const type* scores, const unsigned char* mask, int* lists, int heads,        \
                                      int tokens, int slot_count, int wanted)) {                                   \
    select_slots(scores, mask, lists, heads, tokens, slot_count, wanted);                                          \
  }                                                                                                                \
  KERNEL(slot_lists_##suffix, 128, (const type* scores, const int* lists, int* indices, int rows, int heads,       \
                                    int tokens, int slot_count, int wanted)) {                                     \
    slot_lists(scores, lists, indices, rows, heads, tokens, slot_count, wanted);                                   \
  }

SELECT_SLOTS(float, f32)
SELECT_SLOTS(float16, f16)
SELECT_SLOTS(bfloat16, bf16)
#undef SELECT_SLOTS
