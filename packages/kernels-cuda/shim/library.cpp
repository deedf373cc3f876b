// The shim and the kernels in one library.
#include "shim.cpp"
#include "../kernels/kernels.cu"
