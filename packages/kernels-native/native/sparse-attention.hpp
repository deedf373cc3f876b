// What both kinds of sparse attention share: reading lists as every kernel must, and the residual groups.
//
// Residual: a packed group row is the mean k̄₀ of the group's c present keys. For a group of which a list names some,
// n = c − |named|, the logit of the mean of the rest follows from the logits there are:
//   q·k̄ = (c·q·k̄₀ − Σ_named q·k) / n, and with w = p_group / n the values' part is w·(Σ_group v − Σ_named v),
// so w is taken from the named keys' own weights and the group's value sum gets weight w: no mean is ever built.

#pragma once

#include "attention.hpp"

namespace flashmla {
namespace FLASHMLA_ARCHITECTURE {

/**
 * Writes the list's entries in [0, blocks), ascending and unique, to `out`; returns how many. Gates write ascending lists,
 * which one pass copies; anything else is sorted on the way (insertion: lists are short or nearly sorted).
 */
inline int64_t readEntries(const int32_t* list, int64_t slots, int64_t blocks, int32_t* out) {
  int64_t count = 0;
  for (int64_t slot = 0; slot < slots; slot++) {
    const int32_t entry = list[slot];
    if (entry < 0 || entry >= blocks) continue;
    int64_t at = count;
    while (at > 0 && out[at - 1] > entry) at--;
    if (at > 0 && out[at - 1] == entry) continue;
    memmove(out + at + 1, out + at, static_cast<size_t>(count - at) * sizeof(int32_t));
    out[at] = entry;
    count++;
  }
  return count;
}

/** What a list leaves of each residual group. */
struct GroupsLeft {
  /** Present keys that are not named. */
  float* left;
  /** Whether any is. */
  uint8_t* touched;

  static FLASHMLA_INLINE GroupsLeft take(Scratch& memory, int64_t groupRows) {
    float* left = memory.take<float>(groupRows);
    return {left, memory.take<uint8_t>(groupRows)};
  }

  void begin(const float* counts, int64_t groupRows) const {
    memcpy(left, counts, static_cast<size_t>(groupRows) * sizeof(float));
    memset(touched, 0, static_cast<size_t>(groupRows));
  }
  void name(int64_t group, int64_t keys) const {
    touched[group] = 1;
    left[group] -= static_cast<float>(keys);
  }
};

}  // namespace FLASHMLA_ARCHITECTURE
}  // namespace flashmla
