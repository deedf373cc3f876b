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
  int64_t i = 0;
#if defined(__AVX512F__)
  for (; i + lanes <= count; i += lanes) {
    const __m512i dealt = _mm512_loadu_si512(tokens + i);
    const i32v key = loadVector<i32v>(keys + i);
    // Of the equal ones as many as there are ties left, the first ones.
    const uint32_t equal = maskBits(key == bound);
    const uint32_t tied = _pdep_u32(static_cast<uint32_t>((1ull << least<int64_t>(ties, lanes)) - 1), equal);
    const uint32_t goLeft = maskBits(key < bound) | tied;
    const int64_t taken = __builtin_popcount(goLeft);
    ties -= __builtin_popcount(tied);
    // Whole vectors are written, of which the front counts: what lies behind it was read already, or comes next.
    _mm512_storeu_si512(tokens + left, _mm512_maskz_compress_epi32(static_cast<__mmask16>(goLeft), dealt));
    _mm512_storeu_si512(right + others, _mm512_maskz_compress_epi32(static_cast<__mmask16>(~goLeft), dealt));
    left += taken;
    others += lanes - taken;
  }
#endif
  for (; i < count; i++) {
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

/** Sums of x and x², of the even and of the odd tokens first: one addition does not wait for the one before. */
struct Moments {
  f32v sum, square;

  template <typename Read>
  FLASHMLA_INLINE Moments(const int32_t* tokens, int64_t count, Read read) {
    f32v sums[2] = {};
    f32v squares[2] = {};
    const auto add = [&](int64_t t, int side) {
      const f32v x = read(tokens[t]);
      sums[side] += x;
      squares[side] += x * x;
    };
    int64_t t = 0;
    for (; t + 2 <= count; t += 2) {
      add(t, 0);
      add(t + 1, 1);
    }
    if (t < count) add(t, 0);
    sum = sums[0] + sums[1];
    square = squares[0] + squares[1];
  }
};

/** Dimension of the largest variance, the first of equals. Moments are taken about the first point, against cancellation. */
inline int64_t widest(const float* points, int64_t rank, const int32_t* tokens, int64_t count) {
  const float* origin = points + tokens[0] * rank;
  int64_t best = 0;
  float largest = -infinity;
  const auto consider = [&](int64_t first, const Moments& of, int64_t width) {
    const f32v moment = of.square - of.sum / static_cast<float>(count) * of.sum;
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
        const Moments moments(tokens, count, [&](int64_t token) { return load(points + token * rank + i) - o; });
        consider(i, moments, lanes);
      },
      [&](int64_t i, int64_t left) {
        const f32v o = loadPart(origin + i, left);
        const Moments moments(tokens, count, [&](int64_t token) { return loadPart(points + token * rank + i, left) - o; });
        consider(i, moments, left);
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
