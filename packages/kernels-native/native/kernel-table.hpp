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

/** What plans have to know of an instruction set. */
struct Traits {
  /** float32 in a vector. */
  int lanes;
  /** Whether bfloat16 is multiplied as it is; otherwise it is widened. */
  bool bfloat16Products;
  /** int8 in 32 bits of a packed operand. */
  int int8PerUnit;
  /** Whether there is AMX. */
  bool tiles;
};

/** All kernels, compiled for one instruction set; the same names in the same order in each. */
struct Architecture {
  const char* name;
  /** Whether this CPU, and the system it runs under, can run them. */
  bool (*supported)();
  const Traits* traits;
  const KernelEntry* kernels;
  const int* kernelCount;
};

}  // namespace flashmla
