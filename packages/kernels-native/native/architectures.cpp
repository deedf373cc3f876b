#include "architectures.hpp"

namespace flashmla {

#define FLASHMLA_DECLARE(name)                \
  namespace name {                            \
  extern const KernelEntry* const kernels;    \
  extern const int kernelCount;               \
  }
#define FLASHMLA_ENTRY(name, test) {#name, [] { return static_cast<bool>(test); }, name::kernels, name::kernelCount}

#if defined(__x86_64__)

FLASHMLA_DECLARE(avx512)
FLASHMLA_DECLARE(avx2)

namespace {
bool hasAvx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c"); }
bool hasAvx512() {
  return hasAvx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
}  // namespace

const Architecture architectures[] = {
    FLASHMLA_ENTRY(avx512, hasAvx512()),
    FLASHMLA_ENTRY(avx2, hasAvx2()),
};

#elif defined(__aarch64__)

FLASHMLA_DECLARE(neon)

const Architecture architectures[] = {
    FLASHMLA_ENTRY(neon, true),
};

#endif

const int architectureCount = sizeof architectures / sizeof architectures[0];

}  // namespace flashmla
