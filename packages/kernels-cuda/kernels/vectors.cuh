// Four neighbouring elements at once, and how heads lie in memory. Addresses must be multiples of four elements.
#pragma once
#include "portable.cuh"

DEVICE float4 load4(const float* from) { return *reinterpret_cast<const float4*>(from); }
template <typename T>
DEVICE float4 load4(const T* from) {
  const uint2 bits = *reinterpret_cast<const uint2*>(from);
  const T* const four = reinterpret_cast<const T*>(&bits);
  return make_float4(to_float(four[0]), to_float(four[1]), to_float(four[2]), to_float(four[3]));
}

DEVICE void store4(float* to, float4 value) { *reinterpret_cast<float4*>(to) = value; }
template <typename T>
DEVICE void store4(T* to, float4 value) {
  uint2 bits;
  T* const four = reinterpret_cast<T*>(&bits);
  four[0] = from_float<T>(value.x);
  four[1] = from_float<T>(value.y);
  four[2] = from_float<T>(value.z);
  four[3] = from_float<T>(value.w);
  *reinterpret_cast<uint2*>(to) = bits;
}

DEVICE float4 zero4() { return make_float4(0.0f, 0.0f, 0.0f, 0.0f); }
DEVICE float dot4(float4 a, float4 b) { return a.x * b.x + a.y * b.y + a.z * b.z + a.w * b.w; }
DEVICE void add4(float4& sum, float weight, float4 value) {
  sum.x += weight * value.x;
  sum.y += weight * value.y;
  sum.z += weight * value.z;
  sum.w += weight * value.w;
}
DEVICE void scale4(float4& value, float factor) {
  value.x *= factor;
  value.y *= factor;
  value.z *= factor;
  value.w *= factor;
}

/** Elements from one batch entry, head or token to the next. */
struct Strides {
  int batch, head, token;

  /** Of the first token of a head; `row` counts over batch and heads. */
  DEVICE size_t head_start(int row, int heads) const {
    return size_t(row / heads) * batch + size_t(row % heads) * head;
  }
};
