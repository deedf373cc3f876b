// content-order: the present tokens first, ascending, then a launch for each level of the kd-tree. A block splits a node in
// two; nodes of at most `leaf` tokens stay as they are. Both sides keep their order: so a leaf's tokens are ascending, and
// equal values keep token order.

#include "select.cuh"

namespace kd_tree {

constexpr int threads = 128;
using Selection = RadixSelection<threads>;

/** Tokens that go left. */
DEVICE int left_of(int node, int leaf) { return node <= leaf ? node : (node / 2 + leaf - 1) / leaf * leaf; }

/** The first dimension of largest variance of a node's points; `point(place, dimension)`. */
template <typename Point>
DEVICE int widest_axis(int node, int rank, const Point& point) {
  int widest = 0;
  float largest = -1.0f;
  for (int dimension = 0; dimension < rank; dimension++) {
    float sum = 0.0f;
    for (int place = threadIdx.x; place < node; place += threads) sum += point(place, dimension);
    const float mean = block_sum<threads>(sum) / float(node);
    float squares = 0.0f;
    for (int place = threadIdx.x; place < node; place += threads) {
      const float distance = point(place, dimension) - mean;
      squares += distance * distance;
    }
    const float variance = block_sum<threads>(squares);
    if (variance > largest) {
      largest = variance;
      widest = dimension;
    }
  }
  return widest;
}

}  // namespace kd_tree

// order: [rows, tokens]; present: [rows], how many tokens are there
KERNEL(content_order_start, 128, (const unsigned char* mask, int* order, int* present, int heads, int tokens)) {
  using namespace kd_tree;
  const unsigned char* const is_present = mask ? mask + size_t(int(blockIdx.x) / heads) * tokens : nullptr;
  int* const to = order + size_t(blockIdx.x) * tokens;
  const auto key_of = [&](int token) { return unsigned(!is_present || is_present[token] != 0); };
  int count = 0;
  for (int token = threadIdx.x; token < tokens; token += threads) count += int(key_of(token));
  int all;
  Selection::sum_before(count, all);
  Selection::part(
      tokens, {0, 0}, key_of, [&](int token, int place) { to[place] = token; },
      [&](int token, int place) { to[all + place] = token; });
  if (threadIdx.x == 0) present[blockIdx.x] = all;
}

// points: [rows, tokens, rank]; before, after: [rows, tokens]
KERNEL(content_order, 128, (const float* points, const int* present, const int* before, int* after, int tokens, int rank,
                            int leaf, int level)) {
  using namespace kd_tree;
  const int row = int(blockIdx.x) >> level;
  const int number = int(blockIdx.x) & ((1 << level) - 1);
  const size_t head_start = size_t(row) * tokens;
  int start = 0;
  int node = present[row];
  if (number == 0) {
    for (int at = node + threadIdx.x; at < tokens; at += threads) after[head_start + at] = before[head_start + at];
  }
  // From the root down to the node; a leaf on the way is its own left child.
  for (int step = level - 1; step >= 0; step--) {
    const int half = left_of(node, leaf);
    if ((number >> step) & 1) {
      start += half;
      node -= half;
    } else {
      node = half;
    }
  }
  const int* const from = before + head_start + start;
  int* const to = after + head_start + start;
  if (node <= leaf) {
    for (int place = threadIdx.x; place < node; place += threads) to[place] = from[place];
    return;
  }
  const auto point = [&](int place, int dimension) { return points[(head_start + from[place]) * rank + dimension]; };
  const int axis = widest_axis(node, rank, point);
  const int left = left_of(node, leaf);
  // The smallest values go left.
  const auto key_of = [&](int place) { return ~ordered_key(point(place, axis)); };
  const Threshold threshold = Selection::threshold_of(node, left, key_of);
  Selection::part(
      node, threshold, key_of, [&](int place, int at) { to[at] = from[place]; },
      [&](int place, int at) { to[left + at] = from[place]; });
}
