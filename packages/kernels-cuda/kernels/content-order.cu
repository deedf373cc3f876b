// content-order: the present tokens first, ascending, then the levels of the kd-tree. Nodes of more than 1024 tokens are split
// in two by a block each, a launch a level; from there on a block takes a node down to its leaves, a thread a token. Both
// sides of a split keep their order: so a leaf's tokens are ascending, and equal values keep token order.

#include "select.cuh"
#include "vectors.cuh"

namespace kd_tree {

constexpr int threads = 1024;
using Selection = RadixSelection<threads>;

/** Tokens that go left. */
DEVICE int left_of(int node, int leaf) { return node <= leaf ? node : (node / 2 + leaf - 1) / leaf * leaf; }

struct Node {
  int start, size;
};

/** Node `number` of a level, of a head with `present` tokens; a leaf on the way is its own left child. */
DEVICE Node node_of(int present, int leaf, int level, int number) {
  Node node = {0, present};
  for (int step = level - 1; step >= 0; step--) {
    const int left = left_of(node.size, leaf);
    node = (number >> step) & 1 ? Node{node.start + left, node.size - left} : Node{node.start, left};
  }
  return node;
}

/** The variance, times `count`, of values that were summed as distances from one of them. */
DEVICE float spread(float sum, float squares, int count) { return squares - sum * sum / float(count); }

/** The first dimension of largest variance of a node's points; `row_of(place)` is a point. Eight dimensions at a time. */
template <typename RowOf>
DEVICE int widest_axis(int node, int rank, const RowOf& row_of) {
  constexpr int AT_ONCE = 8;
  int widest = 0;
  float largest = -1.0f;
  const float* const origin = row_of(0);
  for (int first = 0; first < rank; first += AT_ONCE) {
    float sums[AT_ONCE] = {}, squares[AT_ONCE] = {};
    for (int place = threadIdx.x; place < node; place += threads) {
      const float* const row = row_of(place);
#pragma unroll
      for (int i = 0; i < AT_ONCE; i++) {
        const int dimension = min(first + i, rank - 1);
        const float distance = row[dimension] - origin[dimension];
        sums[i] += distance;
        squares[i] += distance * distance;
      }
    }
#pragma unroll
    for (int i = 0; i < AT_ONCE; i++) {
      const float variance = spread(block_sum<threads>(sums[i]), block_sum<threads>(squares[i]), node);
      if (first + i < rank && variance > largest) {
        largest = variance;
        widest = first + i;
      }
    }
  }
  return widest;
}

}  // namespace kd_tree

// order: [rows, tokens]; present: [rows], how many tokens are there
KERNEL(content_order_start, 1024, (const unsigned char* mask, int* order, int* present, int heads, int tokens)) {
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

// One level. points: [rows, tokens, rank]; before, after: [rows, tokens]
KERNEL(content_order_split, 1024, (const float* points, const int* present, const int* before, int* after, int tokens,
                                   int rank, int leaf, int level)) {
  using namespace kd_tree;
  const int row = int(blockIdx.x) >> level;
  const int number = int(blockIdx.x) & ((1 << level) - 1);
  const size_t head_start = size_t(row) * tokens;
  const Node node = node_of(present[row], leaf, level, number);
  if (number == 0) {
    for (int at = present[row] + threadIdx.x; at < tokens; at += threads) after[head_start + at] = before[head_start + at];
  }
  const int* const from = before + head_start + node.start;
  int* const to = after + head_start + node.start;
  if (node.size <= leaf) {
    for (int place = threadIdx.x; place < node.size; place += threads) to[place] = from[place];
    return;
  }
  const auto row_of = [&](int place) { return points + (head_start + from[place]) * rank; };
  const int axis = widest_axis(node.size, rank, row_of);
  const int left = left_of(node.size, leaf);
  // The smallest values go left.
  const auto key_of = [&](int place) { return ~ordered_key(row_of(place)[axis]); };
  const Threshold threshold = Selection::threshold_of(node.size, left, key_of);
  Selection::part(
      node.size, threshold, key_of, [&](int place, int at) { to[at] = from[place]; },
      [&](int place, int at) { to[left + at] = from[place]; });
}

// The last `levels` levels, of nodes that have no more tokens than a block has threads: a thread has a place, and the node
// that the place is in. Who goes left is found by counting: node² comparisons, all in shared memory, for log₂ node levels.
KERNEL(content_order_leaves, 1024, (const float* points, const int* present, const int* before, int* after, int tokens,
                                    int rank, int leaf, int level, int levels)) {
  using namespace kd_tree;
  SHARED(int, order, threads);
  SHARED(unsigned, keys, threads);
  SHARED(int, lefts_before, threads);
  SHARED(float, sums, threads);
  SHARED(float, squares, threads);
  SHARED(int, axes, threads);
  const int row = int(blockIdx.x) >> level;
  const int number = int(blockIdx.x) & ((1 << level) - 1);
  const size_t head_start = size_t(row) * tokens;
  const float* const head_points = points + head_start * rank;
  const Node whole = node_of(present[row], leaf, level, number);
  if (number == 0) {
    for (int at = present[row] + threadIdx.x; at < tokens; at += blockDim.x) after[head_start + at] = before[head_start + at];
  }
  const int place = threadIdx.x;
  const bool there = place < whole.size;
  Node node = {0, whole.size};
  order[place] = there ? before[head_start + whole.start + place] : 0;

  for (int step = 0; step < levels; step++) {
    const int own = place - node.start;
    const bool splits = there && node.size > leaf;
    const auto row_at = [&](int at) { return head_points + size_t(order[node.start + at]) * rank; };
    __syncthreads();

    // A dimension is summed by as many threads as there are for it, each over a slice of the points.
    const int slices = max(1, node.size / rank);
    float largest = -1.0f;
    int axis = 0;
    if (splits && own < rank * slices) {
      for (int task = own; task < rank * slices; task += node.size) {
        const int dimension = task % rank;
        const float origin = row_at(0)[dimension];
        float sum = 0.0f, square = 0.0f;
        for (int at = task / rank; at < node.size; at += slices) {
          const float distance = row_at(at)[dimension] - origin;
          sum += distance;
          square += distance * distance;
        }
        sums[place] = sum;
        squares[place] = square;
        // A thread that has several dimensions sums them whole.
        const float variance = spread(sum, square, node.size);
        if (variance > largest) {
          largest = variance;
          axis = dimension;
        }
      }
    }
    __syncthreads();
    if (splits && slices > 1 && own < rank) {
      float sum = 0.0f, square = 0.0f;
      for (int slice = 0; slice < slices; slice++) {
        sum += sums[place + slice * rank];
        square += squares[place + slice * rank];
      }
      largest = spread(sum, square, node.size);
      axis = own;
    }
    __syncthreads();
    sums[place] = largest;
    axes[place] = axis;
    __syncthreads();
    if (splits) {
      // Of all threads' best ones; the first dimension among equals.
      for (int at = 0; at < min(node.size, rank); at++) {
        const float other = sums[node.start + at];
        const int of_other = axes[node.start + at];
        if (at == 0 || other > largest || (other == largest && of_other < axis)) {
          largest = other;
          axis = of_other;
        }
      }
      keys[place] = ordered_key(row_at(own)[axis]);
    }
    __syncthreads();
    const int left = left_of(node.size, leaf);
    bool goes_left = there;
    if (splits) {
      const unsigned key = keys[place];
      int smaller = 0;
      for (int at = 0; at < node.size; at++) {
        const unsigned other = keys[node.start + at];
        smaller += other < key || (other == key && at < own);
      }
      goes_left = smaller < left;
    }
    lefts_before[place] = goes_left;
    __syncthreads();
    int before_own = 0;
    if (splits) {
      for (int at = 0; at < own; at++) before_own += lefts_before[node.start + at];
    }
    const int token = order[place];
    __syncthreads();
    if (splits) order[node.start + (goes_left ? before_own : left + own - before_own)] = token;
    if (splits) node = own < left ? Node{node.start, left} : Node{node.start + left, node.size - left};
  }
  __syncthreads();
  if (there) after[head_start + whole.start + place] = order[place];
}
