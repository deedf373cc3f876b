#include "architectures.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif

namespace flashmla {

#define FLASHMLA_DECLARE(name)          \
  namespace name {                      \
  extern const KernelEntry kernels[];   \
  extern const int kernelCount;         \
  extern const Traits traits;           \
  }
#define FLASHMLA_ENTRY(name, test) {#name, test, &name::traits, name::kernels, &name::kernelCount}

#if defined(__x86_64__)

FLASHMLA_DECLARE(avx2)
FLASHMLA_DECLARE(avx512)
FLASHMLA_DECLARE(avx512vnni)
FLASHMLA_DECLARE(avx512bf16)
FLASHMLA_DECLARE(amx)

namespace {

/** Registers of CPUID leaf 7: Intel's Software Developer's Manual, volume 2A. */
struct Features {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  explicit Features(unsigned subleaf) { __get_cpuid_count(7, subleaf, &eax, &ebx, &ecx, &edx); }
};

bool hasAvx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"); }
bool hasAvx512() {
  return hasAvx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
bool hasAvx512Vnni() { return hasAvx512() && (Features(0).ecx >> 11 & 1); }
bool hasAvx512Bf16() { return hasAvx512Vnni() && (Features(1).eax >> 5 & 1); }

/** Linux saves tiles for processes that asked for them only: kernel documentation, "Using XSTATE features". */
bool allowedTiles() {
#if defined(__linux__)
  constexpr int requestPermission = 0x1023;
  constexpr int tileData = 18;
  return syscall(SYS_arch_prctl, requestPermission, tileData) == 0;
#else
  return false;
#endif
}
bool hasAmx() {
  const unsigned edx = Features(0).edx;
  const bool inCpu = (edx >> 22 & 1) && (edx >> 24 & 1) && (edx >> 25 & 1);
  return hasAvx512Bf16() && inCpu && allowedTiles();
}

}  // namespace

const Architecture architectures[] = {
    FLASHMLA_ENTRY(amx, hasAmx),
    FLASHMLA_ENTRY(avx512bf16, hasAvx512Bf16),
    FLASHMLA_ENTRY(avx512vnni, hasAvx512Vnni),
    FLASHMLA_ENTRY(avx512, hasAvx512),
    FLASHMLA_ENTRY(avx2, hasAvx2),
};

#elif defined(__aarch64__)

FLASHMLA_DECLARE(neon)

const Architecture architectures[] = {
    FLASHMLA_ENTRY(neon, [] { return true; }),
};

#endif

const int architectureCount = sizeof architectures / sizeof architectures[0];

}  // namespace flashmla
