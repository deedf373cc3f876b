// What kernels know of a Selection (the tensor package's selection.ts): lists of key blocks, orders, masks, residual groups.
// Lists are clean (sort-lists.cu): entries first − their number, then the entries, ascending, each once.
#pragma once
#include "attention.cuh"

/** The keys of one head, as its queries' lists name them. */
template <typename T>
struct ListedKeys {
  const T *key, *value;
  int token_stride;
  /** Of the text; null: all are there. */
  const unsigned char* present;
  /** Position → key; null: natural order. */
  const int* order;
  int keys, block_keys;
  /** Entries of this tile's list. */
  const int* list;
  int entries;

  /** Of a list's position number `at`, counted over the keys of its blocks: the key; −1 where there is none. */
  DEVICE int token_at(int at) const {
    const int slot = at / block_keys;
    return slot < entries ? token_of(list[slot] * block_keys + at % block_keys) : -1;
  }

  /** Of a position in key order. */
  DEVICE int token_of(int position) const {
    if (position >= keys) return -1;
    const int token = order ? order[position] : position;
    return !present || present[token] ? token : -1;
  }

  /** The first entry that names `block` or a later one. */
  DEVICE int slot_from(int block) const {
    int low = 0, high = entries;
    while (low < high) {
      const int middle = (low + high) / 2;
      if (list[middle] < block) low = middle + 1;
      else high = middle;
    }
    return low;
  }
};

/**
 * The stand-ins of a tile: the sums of each group (residual-groups.cu) minus what the tile's list names of it, over the
 * number of keys that are left.
 */
template <typename T>
struct StandIns {
  ListedKeys<T> listed;
  /** Of the head: [groups, 2 · head_dim + 4], Σ key, Σ value, keys that are there. */
  const float* sums;
  int head_dim, group_keys;

  /** What the list names of a group: positions first … end of the list. */
  struct Named {
    int first, end;
  };

  DEVICE int width() const { return 2 * head_dim + 4; }

  DEVICE Named named_of(int group) const {
    const int blocks = group_keys / listed.block_keys;
    return {listed.slot_from(group * blocks) * listed.block_keys, listed.slot_from((group + 1) * blocks) * listed.block_keys};
  }

  /** Keys that the group stands in for. */
  DEVICE int left_of(int group, Named named) const {
    int left = int(sums[size_t(group) * width() + 2 * head_dim]);
    for (int at = named.first; at < named.end; at++) left -= listed.token_at(at) >= 0;
    return left;
  }

  /** Four features of the mean of the keys (part 0) or values (part 1) that are left. */
  DEVICE float4 mean4(int group, Named named, int left, int part, int feature) const {
    float4 sum = load4(sums + size_t(group) * width() + part * head_dim + feature);
    const T* const rows = part == 0 ? listed.key : listed.value;
    for (int at = named.first; at < named.end; at++) {
      const int token = listed.token_at(at);
      if (token >= 0) add4(sum, -1.0f, load4(rows + size_t(token) * listed.token_stride + feature));
    }
    scale4(sum, 1.0f / float(left));
    return sum;
  }
};
