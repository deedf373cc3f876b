// select-slots: the tokens that fit each slot best, then for each query the tokens of its best slot.

#pragma once

#include "order-statistics.hpp"
#include "words.hpp"

namespace flashmla {
namespace FLASHMLA_ARCHITECTURE {

constexpr int64_t slotQueries = 64;

/** What both kernels take. words: scores [batch, tokens, heads, slotCount], mask or 0, members, indices, heads, tokens, slotCount, slots */
template <typename T>
struct SlotArguments {
  const T* scores;
  const uint8_t* mask;
  /** [batch, heads, slotCount, slots] */
  int32_t* members;
  int32_t* indices;
  int64_t heads, tokens, slotCount, slots;

  explicit SlotArguments(const double* arguments) {
    Words words(arguments);
    scores = words.pointer<const T>();
    mask = words.pointer<const uint8_t>();
    members = words.pointer<int32_t>();
    indices = words.pointer<int32_t>();
    heads = words.integer();
    tokens = words.integer();
    slotCount = words.integer();
    slots = words.integer();
  }
};

/** Fills the members of each slot; a task a slot of a head. scratch, int32: tokens + 16 keys, tokens + 16 numbers */
template <typename T>
void slotMembers(const double* arguments, int64_t task, char* scratch) {
  const SlotArguments<T> a(arguments);
  const int64_t columns = a.heads * a.slotCount;
  const int64_t batch = task / columns;
  Scratch memory(scratch);
  int32_t* keys = memory.take<int32_t>(a.tokens + 16);
  int32_t* numbers = memory.take<int32_t>(a.tokens + 16);
  int64_t count = 0;
  for (int64_t token = 0; token < a.tokens; token++) {
    const int64_t row = batch * a.tokens + token;
    if (a.mask && !a.mask[row]) continue;
    keys[count] = ~orderedKey(widen(a.scores[row * columns + task % columns]));
    numbers[count] = static_cast<int32_t>(token);
    count++;
  }
  const int64_t kept = least(count, a.slots);
  if (count > a.slots && a.slots > 0) keepSmallest(keys, numbers, count, a.slots);
  int32_t* members = a.members + task * a.slots;
  for (int64_t i = 0; i < a.slots; i++) members[i] = i < kept ? numbers[i] : -1;
}

/** Copies to each query the members of its best slot; a task is slotQueries queries of a head. */
template <typename T>
void slotLists(const double* arguments, int64_t task, char*) {
  const SlotArguments<T> a(arguments);
  const int64_t chunks = ceilDivide(a.tokens, slotQueries);
  const int64_t batchHead = task / chunks;
  const int64_t first = task % chunks * slotQueries;
  for (int64_t query = first; query < least(first + slotQueries, a.tokens); query++) {
    const T* scores = a.scores + ((batchHead / a.heads * a.tokens + query) * a.heads + batchHead % a.heads) * a.slotCount;
    int64_t best = 0;
    for (int64_t s = 1; s < a.slotCount; s++) {
      if (widen(scores[s]) > widen(scores[best])) best = s;
    }
    memcpy(a.indices + (batchHead * a.tokens + query) * a.slots, a.members + (batchHead * a.slotCount + best) * a.slots,
           static_cast<size_t>(a.slots) * sizeof(int32_t));
  }
}

}  // namespace FLASHMLA_ARCHITECTURE
}  // namespace flashmla
