// CUDA's device language for a C++ compiler, as far as the kernels use it: a block's threads are fibers (shim.cpp), which
// take turns at barriers. Included by kernels/portable.cuh only.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

struct uint2 { unsigned x, y; };
struct uint3 { unsigned x, y, z; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
struct alignas(8) float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };

inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

inline uint3 threadIdx, blockIdx, blockDim, gridDim;

namespace shim {

constexpr int warp_size = 32;

/** What one lane shows the others of its warp at once: two registers of a fragment pair and an address fit. */
struct Shown {
  unsigned words[8];
};

/** Waits until every thread of the block that has not ended is here. */
void block_barrier();
/** Waits until every lane of the warp is here. */
void warp_barrier();
/** Shows `size` bytes to the warp; returns what each lane showed, good until the lane's next call but one. */
const Shown* exchange(const void* mine, std::size_t size);
unsigned char* dynamic_shared();
/** A copy of this thread's, of zeros when `from` is null, that is not made before `make_copies`. */
void copy_later(void* to, const void* from, unsigned size);
/** Ends a group of copies. */
void end_copies();
/** Makes those of all ended groups but the last `pending` ones. */
void make_copies(unsigned pending);

using Invoke = void (*)(void** arguments);

/** An entry point: its name, most threads, and one letter an argument: p a pointer, i an integer, f a float32. */
struct Entry {
  Entry(const char* name, unsigned threads, const char* signature, Invoke invoke);
  const char* name;
  unsigned threads;
  const char* signature;
  Invoke invoke;
  const Entry* next;
};

template <typename T>
constexpr char letter() {
  static_assert(std::is_pointer_v<T> || sizeof(T) == 4, "arguments are pointers and 32-bit words");
  return std::is_pointer_v<T> ? 'p' : std::is_floating_point_v<T> ? 'f' : 'i';
}

template <auto kernel>
struct Call;
template <typename... A, void (*kernel)(A...)>
struct Call<kernel> {
  static constexpr char signature[] = {letter<A>()..., '\0'};
  template <std::size_t... at>
  static void apply(void** arguments, std::index_sequence<at...>) {
    kernel(*static_cast<A*>(arguments[at])...);
  }
  static void invoke(void** arguments) { apply(arguments, std::index_sequence_for<A...>()); }
};

}  // namespace shim

#define KERNEL(name, threads, parameters)                                                                          \
  static void name parameters;                                                                                     \
  static const shim::Entry name##_entry(#name, threads, shim::Call<&name>::signature, &shim::Call<&name>::invoke); \
  static void name parameters
#define RESIDENT_KERNEL(name, threads, blocks, parameters) KERNEL(name, threads, parameters)
#define DEVICE inline
#define SHARED(type, name, count) static type name[count]
#define DYNAMIC_SHARED(name) unsigned char* const name = shim::dynamic_shared()

inline void __syncthreads() { shim::block_barrier(); }
inline void __syncwarp() { shim::warp_barrier(); }

template <typename T>
T __shfl_sync(unsigned, T value, int lane) {
  T other;
  std::memcpy(&other, &shim::exchange(&value, sizeof value)[lane & 31], sizeof other);
  return other;
}
template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int flip) { return __shfl_sync(mask, value, (threadIdx.x & 31) ^ flip); }
/** As on the device, the first `up` lanes keep what they have. */
template <typename T>
T __shfl_up_sync(unsigned mask, T value, unsigned up) {
  const unsigned lane = threadIdx.x & 31;
  return __shfl_sync(mask, value, lane < up ? lane : lane - up);
}
inline unsigned __ballot_sync(unsigned, int vote) {
  const shim::Shown* const votes = shim::exchange(&vote, sizeof vote);
  unsigned result = 0;
  for (int lane = 0; lane < shim::warp_size; lane++) result |= unsigned(votes[lane].words[0] != 0) << lane;
  return result;
}
inline int __popc(unsigned bits) { return __builtin_popcount(bits); }

template <typename T>
T atomicAdd(T* to, T value) {
  const T before = *to;
  *to += value;
  return before;
}

inline unsigned __float_as_uint(float value) {
  unsigned bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}
inline float __uint_as_float(unsigned bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
inline float __int_as_float(int bits) { return __uint_as_float(unsigned(bits)); }
inline float __expf(float value) { return std::exp(value); }
inline float __fdividef(float dividend, float divisor) { return dividend / divisor; }
inline float rsqrtf(float value) { return 1.0f / std::sqrt(value); }
using std::max;
using std::min;

struct float16 { std::uint16_t bits; };
struct bfloat16 { std::uint16_t bits; };

/** Nearest even, as __float2half_rn. */
inline std::uint16_t float16_bits(float value) {
  const unsigned bits = __float_as_uint(value);
  const std::uint16_t sign = (bits >> 16) & 0x8000;
  const unsigned magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // Subnormal: the addition rounds at the last bit that float16 has.
    const float rounded = __uint_as_float(magnitude) + 0.5f;
    return sign | std::uint16_t(__float_as_uint(rounded) - 0x3f000000);
  }
  const unsigned rounded = magnitude - 0x38000000 + 0xfff + ((magnitude >> 13) & 1);
  return sign | std::uint16_t(rounded >> 13);
}

inline float to_float(float value) { return value; }
inline float to_float(float16 value) {
  const unsigned sign = unsigned(value.bits & 0x8000) << 16;
  const unsigned magnitude = value.bits & 0x7fff;
  if (magnitude >= 0x7c00) return __uint_as_float(sign | 0x7f800000 | (magnitude << 13));
  // As if float32 had this exponent range; the product is exact, subnormals included.
  return __uint_as_float(sign | __float_as_uint(__uint_as_float(magnitude << 13) * 0x1p112f));
}
inline float to_float(bfloat16 value) { return __uint_as_float(unsigned(value.bits) << 16); }

template <typename T>
T from_float(float value);
template <>
inline float from_float<float>(float value) { return value; }
template <>
inline float16 from_float<float16>(float value) { return {float16_bits(value)}; }
template <>
inline bfloat16 from_float<bfloat16>(float value) {
  const unsigned bits = __float_as_uint(value);
  if ((bits & 0x7fffffff) > 0x7f800000) return {std::uint16_t((bits >> 16) | 0x40)};
  return {std::uint16_t((bits + 0x7fff + ((bits >> 16) & 1)) >> 16)};
}
