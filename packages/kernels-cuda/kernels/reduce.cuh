// Sums and maxima over a warp's lanes and a block's threads, in the same order each time. Every thread must take part.
#pragma once
#include "portable.cuh"

constexpr unsigned whole_warp = 0xffffffffu;

/** Over LANES neighbouring lanes, a power of two; each of them has the result. */
template <int LANES>
DEVICE float lanes_sum(float value) {
#pragma unroll
  for (int flip = LANES / 2; flip > 0; flip /= 2) value += __shfl_xor_sync(whole_warp, value, flip);
  return value;
}

template <int LANES>
DEVICE float lanes_max(float value) {
#pragma unroll
  for (int flip = LANES / 2; flip > 0; flip /= 2) value = fmaxf(value, __shfl_xor_sync(whole_warp, value, flip));
  return value;
}

/** Each thread has the result. The barriers keep `partial`'s last use and its next apart. */
template <int THREADS>
DEVICE float block_sum(float value) {
  SHARED(float, partial, THREADS / 32);
  value = lanes_sum<32>(value);
  __syncthreads();
  if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = value;
  __syncthreads();
  float sum = 0.0f;
#pragma unroll
  for (int warp = 0; warp < THREADS / 32; warp++) sum += partial[warp];
  return sum;
}
