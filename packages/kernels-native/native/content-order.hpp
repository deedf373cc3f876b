// content-order: the leaves of a balanced kd-tree over each head's gate-space points, from left to right. A task a head.
//
// A node is split at a bound found by bisection, and its tokens are dealt left and right in the order they are in, so they
// stay ascending in every node and nothing is ever sorted.

#pragma once

#include "order-statistics.hpp"
#include "words.hpp"

namespace flashmla {
namespace FLASHMLA_ARCHITECTURE {

/** Moves the tokens of the `half` smallest keys (of equal ones the first) to the front, both halves in their old order. */
inline void deal(int32_t* tokens, int32_t* keys, int32_t* right, int64_t count, int64_t half) {
  const int32_t bound = kthSmallest(keys, count, half);
  int64_t ties = half - countBelow(keys, count, bound);
  int64_t left = 0;
  int64_t others = 0;
  for (int64_t i = 0; i < count; i++) {
    const int32_t token = tokens[i];
    const bool tie = (keys[i] == bound) & (ties > 0);
    ties -= tie;
    const bool goesLeft = (keys[i] < bound) | tie;
    // Both are written, one counts.
    tokens[left] = token;
    right[others] = token;
    left += goesLeft;
    others += !goesLeft;
  }
  memcpy(tokens + left, right, static_cast<size_t>(others) * sizeof(int32_t));
}

/** Dimension of the largest variance, the first of equals. Moments are taken about the first point, against cancellation. */
inline int64_t widest(const float* points, int64_t rank, const int32_t* tokens, int64_t count) {
  const float* origin = points + tokens[0] * rank;
  int64_t best = 0;
  float largest = -infinity;
  const auto consider = [&](int64_t first, f32v sum, f32v square, int64_t width) {
    const f32v moment = square - sum / static_cast<float>(count) * sum;
    for (int64_t i = 0; i < width; i++) {
      if (moment[i] > largest) {
        largest = moment[i];
        best = first + i;
      }
    }
  };
  eachVector(
      rank,
      [&](int64_t i) {
        const f32v o = load(origin + i);
        f32v sum = {};
        f32v square = {};
        for (int64_t t = 0; t < count; t++) {
          const f32v x = load(points + tokens[t] * rank + i) - o;
          sum += x;
          square += x * x;
        }
        consider(i, sum, square, lanes);
      },
      [&](int64_t i, int64_t left) {
        const f32v o = loadPart(origin + i, left);
        f32v sum = {};
        f32v square = {};
        for (int64_t t = 0; t < count; t++) {
          const f32v x = loadPart(points + tokens[t] * rank + i, left) - o;
          sum += x;
          square += x * x;
        }
        consider(i, sum, square, left);
      });
  return best;
}

/** words: points, mask or 0, order, heads, tokens, rank, leaf; scratch, int32: tokens + 16 keys, tokens + 16 of the right half */
inline void contentOrder(const double* arguments, int64_t task, char* scratch) {
  Words words(arguments);
  const float* points = words.pointer<const float>();
  const uint8_t* mask = words.pointer<const uint8_t>();
  int32_t* order = words.pointer<int32_t>();
  const int64_t heads = words.integer();
  const int64_t tokens = words.integer();
  const int64_t rank = words.integer();
  const int64_t leaf = words.integer();
  points += task * tokens * rank;
  order += task * tokens;
  if (mask) mask += task / heads * tokens;
  Scratch memory(scratch);
  int32_t* keys = memory.take<int32_t>(tokens + 16);
  int32_t* right = memory.take<int32_t>(tokens + 16);

  int64_t present = 0;
  for (int32_t t = 0; t < tokens; t++) {
    if (!mask || mask[t]) order[present++] = t;
  }
  int64_t last = present;
  for (int32_t t = 0; t < tokens; t++) {
    if (mask && !mask[t]) order[last++] = t;
  }

  struct Node {
    int64_t from, to;
  };
  // Depth first: halves shrink by two, so at most as many nodes wait as a count has bits.
  Node pending[64] = {{0, present}};
  for (int waiting = 1; waiting > 0;) {
    const Node node = pending[--waiting];
    const int64_t count = node.to - node.from;
    if (count <= leaf) continue;
    int32_t* here = order + node.from;
    const float* column = points + widest(points, rank, here, count);
    for (int64_t i = 0; i < count; i++) keys[i] = orderedKey(column[here[i] * rank]);
    const int64_t half = least(ceilDivide(count / 2, leaf) * leaf, count - 1);
    deal(here, keys, right, count, half);
    pending[waiting++] = {node.from + half, node.to};
    pending[waiting++] = {node.from, node.from + half};
  }
}

}  // namespace FLASHMLA_ARCHITECTURE
}  // namespace flashmla
