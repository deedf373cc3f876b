// All kernels, as nvcc and the shim compile them: one module.

#include "dense-attention.cu"
#include "embedding.cu"
#include "layer-norm.cu"
#include "linear.cu"
#include "residual-groups.cu"
#include "sort-lists.cu"
#include "sparse-attention.cu"
