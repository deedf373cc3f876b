// Lists as sparse attention wants them: entries that name a block, ascending, each once, their number in front. Gates write
// them like that, and then this is a copy; lists of a caller's may hold anything. A warp a list.

#include "reduce.cuh"

DEVICE int warp_min(int value) {
#pragma unroll
  for (int flip = 16; flip > 0; flip /= 2) value = min(value, __shfl_xor_sync(whole_warp, value, flip));
  return value;
}

// indices: [lists, slots]; sorted: [lists, slots + 1]
KERNEL(sort_lists, 128, (const int* indices, int* sorted, int lists, int slots, int blocks)) {
  const int list = int(blockIdx.x) * 4 + threadIdx.x / 32;
  if (list >= lists) return;
  const int lane = threadIdx.x % 32;
  const int* const given = indices + size_t(list) * slots;
  int* const to = sorted + size_t(list) * (slots + 1);
  const auto names_block = [&](int entry) { return entry >= 0 && entry < blocks; };

  int entries = 0;
  bool in_order = true;
  for (int start = 0; start < slots; start += 32) {
    const int slot = start + lane;
    const int entry = slot < slots ? given[slot] : -1;
    const bool named = names_block(entry);
    const int before = slot > 0 && slot < slots ? given[slot - 1] : -1;
    const bool follows = slot == 0 || (names_block(before) && before < entry);
    if (__ballot_sync(whole_warp, named && !follows)) in_order = false;
    entries += __popc(__ballot_sync(whole_warp, named));
    if (slot < slots) to[slot + 1] = named ? entry : -1;
  }
  if (!in_order) {
    // The next larger entry each time: slots² / 32 steps, and repeated ones fall out.
    constexpr int none = 0x7fffffff;
    __syncwarp();
    entries = 0;
    for (int last = -1;;) {
      int next = none;
      for (int slot = lane; slot < slots; slot += 32) {
        const int entry = given[slot];
        if (names_block(entry) && entry > last) next = min(next, entry);
      }
      next = warp_min(next);
      if (next == none) break;
      if (lane == 0) to[1 + entries] = next;
      entries++;
      last = next;
    }
  }
  if (lane == 0) to[0] = entries;
}
