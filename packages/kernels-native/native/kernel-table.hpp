// What the engine knows of the kernels: a name and a function each, from one table for each architecture.

#pragma once

#include <cstdint>

namespace flashmla {

/**
 * A kernel: a pure function of what its words point to. Any task on any thread in any order gives the same bits.
 *
 * @param words its arguments, as words.hpp reads them
 * @param scratch memory of the thread's own, on a 64-byte boundary
 */
using Kernel = void (*)(const double* words, int64_t task, char* scratch);

struct KernelEntry {
  const char* name;
  Kernel run;
};

/** All kernels, compiled for one instruction set; the same names in the same order in each. */
struct Architecture {
  const char* name;
  /** Whether this CPU, and the system it runs under, can run them. */
  bool (*supported)();
  const KernelEntry* kernels;
  int kernelCount;
};

}  // namespace flashmla
