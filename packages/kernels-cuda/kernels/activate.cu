// The activation of a product that cuBLASLt wrote, in place, where its epilogues have none like it. A thread has four elements.

#include "activation.cuh"
#include "vectors.cuh"

template <typename T>
DEVICE void activate_all(T* output, int count, int activation) {
  const size_t first = 4 * (size_t(blockIdx.x) * blockDim.x + threadIdx.x);
  if (first + 4 <= size_t(count)) {
    const float4 x = load4(output + first);
    store4(output + first, make_float4(activate(x.x, activation), activate(x.y, activation), activate(x.z, activation),
                                       activate(x.w, activation)));
    return;
  }
  for (size_t at = first; at < size_t(count); at++) {
    output[at] = from_float<T>(activate(to_float(output[at]), activation));
  }
}

#define ACTIVATE(type, suffix)                                                         \
  KERNEL(activate_##suffix, 256, (type* output, int count, int activation)) {          \
    activate_all(output, count, activation);                                           \
  }

ACTIVATE(float, f32)
ACTIVATE(float16, f16)
ACTIVATE(bfloat16, bf16)
#undef ACTIVATE
