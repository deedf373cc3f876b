// select-top-k: a block finds the list of a tile: the blocks whose mean feature scores highest with the tile's. Keys are kept
// in dynamic shared memory where all fit, otherwise made anew whenever they are looked at: `rank` multiply-adds cost less than
// the memory would. Run twice for two levels, first over coarse groups of blocks.

#include "select.cuh"

struct TopK {
  const float *tile_features, *block_features, *relative_bias;
  const int* coarse_lists;
  int tiles, blocks, candidates, tile_queries, block_keys, queries, keys, rank, causal, force_first, force_diagonal;
  int bias_span, coarse_blocks, coarse_slots;
  int row, head, tile;

  DEVICE const int* coarse_list() const { return coarse_lists + (size_t(row) * tiles + tile) * coarse_slots; }

  /**
   * The block that a candidate stands for; `blocks` for none. Forced blocks can lie outside all coarse groups that were
   * chosen, so that with them every block is a candidate.
   */
  DEVICE int block_of(int candidate) const {
    if (coarse_blocks == 0 || candidates == blocks) return candidate;
    const int group = coarse_list()[candidate / coarse_blocks];
    return group < 0 ? blocks : group * coarse_blocks + candidate % coarse_blocks;
  }

  DEVICE bool is_reachable(int block) const {
    if (coarse_blocks == 0 || candidates != blocks) return true;
    for (int slot = 0; slot < coarse_slots; slot++) {
      if (coarse_list()[slot] == block / coarse_blocks) return true;
    }
    return false;
  }

  DEVICE unsigned key_of(int candidate) const {
    const int block = block_of(candidate);
    if (block >= blocks) return 0;
    const float* const of_block = block_features + (size_t(row) * blocks + block) * (rank + 1);
    if (of_block[rank] == 0.0f) return 0;
    if (causal) {
      const int last_query = min((tile + 1) * tile_queries, queries) - 1;
      if (block * block_keys > last_query + keys - queries) return 0;
    }
    const int distance = block - tile;
    if (block < force_first || max(distance, -distance) < force_diagonal) return forced_key;
    if (!is_reachable(block)) return 0;
    const float* const of_tile = tile_features + (size_t(row) * tiles + tile) * (rank + 1);
    float score = 0.0f;
    for (int r = 0; r < rank; r++) score += of_tile[r] * of_block[r];
    if (bias_span >= 0) {
      score += relative_bias[size_t(head) * (2 * bias_span + 1) + min(max(distance, -bias_span), bias_span) + bias_span];
    }
    return ordered_key(score);
  }
};

// indices: [rows, tiles, wanted]
KERNEL(select_top_k, 128, (const float* tile_features, const float* block_features, const float* relative_bias,
                           const int* coarse_lists, const int* head_slots, int* indices, int heads, int tiles, int blocks, int candidates,
                           int wanted, int tile_queries, int block_keys, int queries, int keys, int rank, int causal,
                           int force_first, int force_diagonal, int bias_span, int coarse_blocks, int coarse_slots,
                           int cached)) {
  using Selection = RadixSelection<128>;
  DYNAMIC_SHARED(keys_kept);
  const int row = int(blockIdx.x) / tiles;
  const int tile = int(blockIdx.x) % tiles;
  const TopK top_k = {tile_features, block_features, relative_bias, coarse_lists,  tiles,     blocks,
                      candidates,    tile_queries,   block_keys,    queries,       keys,      rank,
                      causal,        force_first,    force_diagonal, bias_span,    coarse_blocks, coarse_slots,
                      row,           row % heads,    tile};
  unsigned* const cache = reinterpret_cast<unsigned*>(keys_kept);
  if (cached) {
    for (int candidate = threadIdx.x; candidate < candidates; candidate += 128) cache[candidate] = top_k.key_of(candidate);
  }
  const auto key_of = [&](int candidate) { return cached ? cache[candidate] : top_k.key_of(candidate); };
  int* const list = indices + size_t(blockIdx.x) * wanted;
  // No barrier: a thread looks only at the keys that it made itself.
  const int filled = head_slots ? min(max(head_slots[row % heads], 1), wanted) : wanted;
  const Threshold threshold = Selection::threshold_of(candidates, filled, key_of);
  const int taken = Selection::part(
      candidates, threshold, key_of, [&](int candidate, int place) { list[place] = top_k.block_of(candidate); },
      [](int, int) {});
  for (int slot = taken + threadIdx.x; slot < wanted; slot += 128) list[slot] = -1;
}
