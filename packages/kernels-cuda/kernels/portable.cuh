// The one place that knows which compiler reads the kernels: nvcc, for GPUs, or a C++ compiler, for the shim (../shim/), which
// runs the same source on the CPU. Everything else in this folder is written against what stands here.
//
// KERNEL(name, threads, (parameters)) { … } is an entry point: pointers first, then 32-bit words; `threads` are the most
// that a block has. RESIDENT_KERNEL says, too, for how many blocks at once a multiprocessor must have registers: left to
// itself the compiler makes room for more, and spills for it. SHARED is memory of a fixed size, DYNAMIC_SHARED what the launch
// asked for, 16-byte aligned.
#pragma once

#ifdef __CUDACC__

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#define KERNEL(name, threads, parameters) extern "C" __global__ void __launch_bounds__(threads) name parameters
#define RESIDENT_KERNEL(name, threads, blocks, parameters) \
  extern "C" __global__ void __launch_bounds__(threads, blocks) name parameters
#define DEVICE __device__ __forceinline__
#define SHARED(type, name, count) __shared__ type name[count]
#define DYNAMIC_SHARED(name) extern __shared__ __align__(16) unsigned char name[]

using float16 = __half;
using bfloat16 = __nv_bfloat16;

DEVICE float to_float(float value) { return value; }
DEVICE float to_float(float16 value) { return __half2float(value); }
DEVICE float to_float(bfloat16 value) { return __bfloat162float(value); }

template <typename T>
DEVICE T from_float(float value);
template <>
DEVICE float from_float<float>(float value) { return value; }
template <>
DEVICE float16 from_float<float16>(float value) { return __float2half_rn(value); }
template <>
DEVICE bfloat16 from_float<bfloat16>(float value) { return __float2bfloat16_rn(value); }

#else

#include "../shim/device.hpp"

#endif

#define INFINITE __int_as_float(0x7f800000)
#define NOT_A_NUMBER __int_as_float(0x7fc00000)
