// Kernels with one fault each, for shim.test.ts.
#include "../../shim/shim.cpp"
#include "../../kernels/reduce.cuh"
#include "../../kernels/tensor-core.cuh"

KERNEL(right, 64, (const int* input, int* output)) {
  SHARED(int, values, 64);
  values[threadIdx.x] = input[threadIdx.x];
  __syncthreads();
  output[blockIdx.x * 64 + threadIdx.x] = values[63 - threadIdx.x];
}

KERNEL(missing_barrier, 64, (const int* input, int* output)) {
  SHARED(int, values, 64);
  values[threadIdx.x] = input[threadIdx.x];
  output[blockIdx.x * 64 + threadIdx.x] = values[63 - threadIdx.x];
}

KERNEL(awaited_copy, 32, (const float* input, float* output, int awaited)) {
  DYNAMIC_SHARED(shared);
  float* const values = reinterpret_cast<float*>(shared);
  copy16_async(values + threadIdx.x * 4, input + threadIdx.x * 4, true);
  copies_commit();
  if (awaited) copies_wait<0>();
  else copies_wait<1>();
  output[threadIdx.x] = values[threadIdx.x * 4];
}

KERNEL(reads_past_the_end, 32, (const float* input, float* output, int at)) {
  output[threadIdx.x] = input[at + threadIdx.x];
}

KERNEL(writes_past_shared_memory, 32, (float* output)) {
  DYNAMIC_SHARED(shared);
  reinterpret_cast<float*>(shared)[threadIdx.x] = 1.0f;
  output[threadIdx.x] = 1.0f;
}

KERNEL(unwritten_shared_memory, 32, (float* output)) {
  DYNAMIC_SHARED(shared);
  output[threadIdx.x] = reinterpret_cast<float*>(shared)[threadIdx.x];
}

KERNEL(stranded_lanes, 32, (float* output)) {
  if (threadIdx.x < 7) return;
  output[threadIdx.x] = lanes_sum<32>(1.0f);
}
