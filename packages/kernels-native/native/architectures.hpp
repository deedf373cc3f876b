// Which builds of the kernels there are, the best first, and which of them this CPU runs.

#pragma once

#include "kernel-table.hpp"

namespace flashmla {

extern const Architecture architectures[];
extern const int architectureCount;

}  // namespace flashmla
