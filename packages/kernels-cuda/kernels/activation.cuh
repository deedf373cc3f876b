// What linear does to a sum before it is stored. The numbers are the order of `activations` in src/kernels/linear.ts.
#pragma once
#include "portable.cuh"

DEVICE float activate(float x, int activation) {
  switch (activation) {
    case 1: return 0.5f * x * (1.0f + erff(x * 0.7071067811865476f));
    case 2: return 0.5f * x * (1.0f + tanhf(0.7978845608028654f * (x + 0.044715f * x * x * x)));
    case 3: return tanhf(x);
    case 4: return fmaxf(x, 0.0f);
    default: return x;
  }
}
