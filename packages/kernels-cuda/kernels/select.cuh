// The `wanted` best of many candidates, in ascending order: what select-top-k, select-slots and content-order share. A block
// finds the key of the worst one that is taken by radix selection, 8 bits at a time (Alabi et al. 2012), over keys that order
// as scores do. Nothing but counts is added up by several threads, so that the result is the same each time.
//
// A key is 0 for a candidate that may not be taken, otherwise at least 1, the larger the better.
#pragma once
#include "reduce.cuh"

/** The key of what must be taken; larger than any score's. */
constexpr unsigned forced_key = 0xffffffffu;

/** The key that orders as a score does; never 0, and never as large as `forced_key`. */
DEVICE unsigned ordered_key(float score) {
  const unsigned bits = __float_as_uint(score == 0.0f ? 0.0f : score);
  return bits >= 0x80000000u ? ~bits : bits | 0x80000000u;
}

/** Candidates above `key` are taken, and the first `equal` of those that equal it. */
struct Threshold {
  unsigned key;
  int equal;
};

template <int THREADS>
struct RadixSelection {
  static constexpr int BINS = 256;
  static constexpr int WARPS = THREADS / 32;
  static constexpr int BINS_OF_THREAD = THREADS < BINS ? BINS / THREADS : 1;
  static_assert(BINS % THREADS == 0 || THREADS % BINS == 0, "a thread has whole bins, or none");

  /** Sum over the threads before this one, and over all; barriers on both sides. */
  static DEVICE int sum_before(int own, int& all) {
    SHARED(int, of_warp, WARPS);
    const int lane = threadIdx.x % 32;
    const int warp = threadIdx.x / 32;
    int up_to_here = own;
#pragma unroll
    for (int up = 1; up < 32; up *= 2) {
      const int other = __shfl_up_sync(whole_warp, up_to_here, up);
      if (lane >= up) up_to_here += other;
    }
    __syncthreads();
    if (lane == 31) of_warp[warp] = up_to_here;
    __syncthreads();
    int before = up_to_here - own;
    all = 0;
#pragma unroll
    for (int other = 0; other < WARPS; other++) {
      if (other < warp) before += of_warp[other];
      all += of_warp[other];
    }
    return before;
  }

  template <typename KeyOf>
  static DEVICE Threshold threshold_of(int candidates, int wanted, const KeyOf& key_of) {
    SHARED(int, histogram, BINS);
    SHARED(int, found, 2);
    unsigned prefix = 0;
    int remaining = wanted;
    for (int shift = 24; shift >= 0; shift -= 8) {
      const bool has_bins = threadIdx.x * BINS_OF_THREAD < BINS;
      for (int i = 0; has_bins && i < BINS_OF_THREAD; i++) histogram[threadIdx.x * BINS_OF_THREAD + i] = 0;
      if (threadIdx.x == 0) found[0] = BINS;
      __syncthreads();
      for (int candidate = threadIdx.x; candidate < candidates; candidate += THREADS) {
        const unsigned key = key_of(candidate);
        if (key == 0 || (shift < 24 && key >> (shift + 8) != prefix)) continue;
        atomicAdd(&histogram[(key >> shift) & 255], 1);
      }
      __syncthreads();
      // A thread's bins count down from the highest one, as what is wanted does.
      int own = 0, all;
      for (int i = 0; has_bins && i < BINS_OF_THREAD; i++) own += histogram[BINS - 1 - threadIdx.x * BINS_OF_THREAD - i];
      int above = sum_before(own, all);
      if (above < remaining && above + own >= remaining) {
        for (int i = 0; i < BINS_OF_THREAD; i++) {
          const int bin = BINS - 1 - int(threadIdx.x) * BINS_OF_THREAD - i;
          if (above + histogram[bin] >= remaining) {
            found[0] = bin;
            found[1] = remaining - above;
            break;
          }
          above += histogram[bin];
        }
      }
      __syncthreads();
      // There are no more candidates than wanted: all are taken.
      if (found[0] == BINS) return {0, 0};
      prefix = prefix << 8 | unsigned(found[0]);
      remaining = found[1];
      __syncthreads();
    }
    return {prefix, remaining};
  }

  /** Calls `take(candidate, place)` or `leave(candidate, place)` for each one, places ascending; returns how many were taken. */
  template <typename KeyOf, typename Take, typename Leave>
  static DEVICE int part(int candidates, Threshold threshold, const KeyOf& key_of, const Take& take, const Leave& leave) {
    int taken = 0, equals = 0;
    for (int start = 0; start < candidates; start += THREADS) {
      const int candidate = start + threadIdx.x;
      const unsigned key = candidate < candidates ? key_of(candidate) : 0;
      const bool above = key > threshold.key;
      const bool equal = key == threshold.key && key > 0;
      // Both counts in one sum.
      int all;
      const int before = sum_before(int(above) | int(equal) << 16, all);
      const int equals_before = equals + (before >> 16);
      const int place = taken + (before & 0xffff) + min(equals_before, threshold.equal) - min(equals, threshold.equal);
      if (above || (equal && equals_before < threshold.equal)) take(candidate, place);
      else if (candidate < candidates) leave(candidate, candidate - place);
      taken += (all & 0xffff) + min(equals + (all >> 16), threshold.equal) - min(equals, threshold.equal);
      equals += all >> 16;
    }
    return taken;
  }
};
