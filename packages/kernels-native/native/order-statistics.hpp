// Finding the k smallest of n without sorting: the k-th value by bisection over the key's bits, counting by whole vectors.
// There is no branch on data but the bisection's own, and what is kept stays in the order it came in.

#pragma once

#include "simd.hpp"

namespace flashmla {
namespace FLASHMLA_ARCHITECTURE {

/** float as an int32 of the same order. */
FLASHMLA_INLINE int32_t orderedKey(float value) {
  const int32_t bits = bitsOf<int32_t>(value);
  return bits ^ ((bits >> 31) & 0x7fffffff);
}

/** The float of an ordered key. */
FLASHMLA_INLINE float orderedValue(int32_t key) { return bitsOf<float>(key ^ ((key >> 31) & 0x7fffffff)); }

/** A bit for each lane of a comparison. */
FLASHMLA_INLINE uint32_t maskBits(i32v mask) {
#if defined(__AVX512F__)
  return _mm512_movepi32_mask(bitsOf<__m512i>(mask));
#elif defined(__AVX2__)
  return static_cast<uint32_t>(_mm256_movemask_ps(bitsOf<__m256>(mask)));
#else
  uint32_t bits = 0;
  for (int i = 0; i < lanes; i++) bits |= static_cast<uint32_t>(mask[i] & 1) << i;
  return bits;
#endif
}

/** Words that lists of keys and scores need beyond their end: they are filled up to a whole vector. */
constexpr int64_t keySlack = lanes;

/**
 * A bound that exactly `k` of the `count` keys do not exceed, or, where equal keys leave no such bound, the k-th smallest
 * key. 1 ≤ k ≤ count; up to keySlack words after the keys are overwritten.
 */
inline int32_t kthSmallest(int32_t* keys, int64_t count, int64_t k) {
  const int64_t whole = roundUp(count, lanes);
  for (int64_t i = count; i < whole; i++) keys[i] = keys[0];
  i32v lows = splat(keys[0]);
  i32v highs = lows;
  for (int64_t i = 0; i < whole; i += lanes) {
    const i32v key = loadVector<i32v>(keys + i);
    lows = key < lows ? key : lows;
    highs = key > highs ? key : highs;
  }
  int32_t low = lows[0];
  int32_t high = highs[0];
  for (int i = 1; i < lanes; i++) {
    low = least<int32_t>(low, lows[i]);
    high = most<int32_t>(high, highs[i]);
  }
  // Above every bound that is tried: never counted.
  for (int64_t i = count; i < whole; i++) keys[i] = INT32_MAX;
  while (low < high) {
    const int32_t middle =
        static_cast<int32_t>(static_cast<int64_t>(low) + ((static_cast<int64_t>(high) - static_cast<int64_t>(low)) >> 1));
    int64_t below = 0;
    for (int64_t i = 0; i < whole; i += lanes) {
      below += __builtin_popcount(maskBits(loadVector<i32v>(keys + i) <= middle));
    }
    if (below == k) return middle;
    if (below < k) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

/** How many of the keys are less than `bound`. */
inline int64_t countBelow(const int32_t* keys, int64_t count, int32_t bound) {
  int64_t below = 0;
  for (int64_t i = 0; i < count; i++) below += keys[i] < bound;
  return below;
}

/**
 * Keeps the k smallest keys and their numbers, in the order they are in; equal keys: the first ones. Returns the bound
 * that a further key must be less than to be among the k smallest.
 */
inline int32_t keepSmallest(int32_t* keys, int32_t* numbers, int64_t count, int64_t k) {
  const int32_t bound = kthSmallest(keys, count, k);
  int64_t ties = k - countBelow(keys, count, bound);
  int64_t kept = 0;
  for (int64_t i = 0; i < count; i++) {
    const int32_t key = keys[i];
    const bool tie = (key == bound) & (ties > 0);
    ties -= tie;
    keys[kept] = key;
    numbers[kept] = numbers[i];
    kept += (key < bound) | tie;
  }
  return bound;
}

/** Scores that are being sifted: keys (negated, so that smaller is better) and their numbers. */
struct Candidates {
  int32_t* keys;
  int32_t* numbers;
};

/** Room for the candidates of `wanted`: keys, and as many numbers. */
FLASHMLA_INLINE constexpr int64_t candidateRoom(int64_t wanted) { return 4 * wanted + 64; }

/** A bound that at least `wanted` of the scores reach, if so many are numbers; −∞ where looking for one would not pay. */
inline float leastOfLargest(const float* scores, int64_t whole, int64_t count, int64_t wanted, int32_t* maxima) {
  const int64_t classes = roundUp(most<int64_t>(2 * wanted, 16), 16);
  if (count < 2 * classes) return -infinity;
  for (int64_t i = 0; i < classes; i += lanes) {
    f32v high = splat(-infinity);
    for (int64_t at = i; at < whole; at += classes) high = larger(high, load(scores + at));
    const i32v bits = bitsOf<i32v>(high);
    const i32v keys = ~(bits ^ ((bits >> 31) & 0x7fffffff));
    memcpy(maxima + i, &keys, sizeof keys);
  }
  return orderedValue(~kthSmallest(maxima, classes, wanted));
}

/**
 * Takes the `wanted` largest of `count` scores, in the order they are in; of equal ones the first. NaN and −∞ are never
 * taken. Returns how many were; their numbers are `candidates.numbers`.
 *
 * First a bound that is sure to leave enough: of the maxima of 2·wanted classes (every so many-th score), the wanted-th
 * largest is no larger than the wanted-th largest of all. Hardly more than what is wanted passes it, and only that is
 * looked at singly.
 *
 * @param scores with room for whole vectors: what lies there past the end is overwritten
 * @param numbers the scores' numbers, or null: 0, 1, 2, …
 */
inline int64_t takeLargest(float* scores, const int32_t* numbers, int64_t count, int64_t wanted, Candidates candidates) {
  if (wanted == 0 || count <= 0) return 0;
  const int64_t whole = roundUp(count, lanes);
  for (int64_t i = count; i < whole; i++) scores[i] = -infinity;
  const int64_t room = 4 * wanted + 60;
  // The lowest number there is: −∞ does not reach it.
  float bound = most(leastOfLargest(scores, whole, count, wanted, candidates.keys), -__FLT_MAX__);
  int64_t found = 0;
  for (int64_t start = 0; start < whole; start += lanes) {
    uint32_t passing = maskBits(load(scores + start) >= splat(bound));
    if (passing == 0) continue;
    if (found + lanes > room) {
      // Too many equals. What comes later must be larger than the worst of the best so far.
      const int32_t worst = keepSmallest(candidates.keys, candidates.numbers, found, wanted);
      found = wanted;
      bound = most(orderedValue(~(worst - 1)), -__FLT_MAX__);
    }
    for (; passing != 0; passing &= passing - 1) {
      const int64_t i = start + __builtin_ctz(passing);
      if (scores[i] < bound) continue;
      candidates.keys[found] = ~orderedKey(scores[i]);
      candidates.numbers[found] = numbers ? numbers[i] : static_cast<int32_t>(i);
      found++;
    }
  }
  if (found <= wanted) return found;
  keepSmallest(candidates.keys, candidates.numbers, found, wanted);
  return wanted;
}

}  // namespace FLASHMLA_ARCHITECTURE
}  // namespace flashmla
