// What linear does to a sum before it is stored. The numbers are the order of `activations` in src/kernels/linear.ts.
//
// It is written out for each of up to 64 sums of a thread, so that it must be short: erff and tanhf, which are exact to the
// last bits, made more than half of linear's code.
#pragma once
#include "portable.cuh"

/** By Abramowitz & Stegun 7.1.26, to 1.5e-7. */
DEVICE float short_erf(float x) {
  const float t = __fdividef(1.0f, 1.0f + 0.3275911f * fabsf(x));
  const float polynomial =
      t * (0.254829592f + t * (-0.284496736f + t * (1.421413741f + t * (-1.453152027f + t * 1.061405429f))));
  return copysignf(1.0f - polynomial * __expf(-x * x), x);
}

/** To 1e-6; the exponential can only vanish. */
DEVICE float short_tanh(float x) {
  const float e = __expf(-2.0f * fabsf(x));
  return copysignf(__fdividef(1.0f - e, 1.0f + e), x);
}

DEVICE float activate(float x, int activation) {
  switch (activation) {
    case 1: return 0.5f * x * (1.0f + short_erf(x * 0.7071067811865476f));
    case 2: return 0.5f * x * (1.0f + short_tanh(0.7978845608028654f * (x + 0.044715f * x * x * x)));
    case 3: return short_tanh(x);
    case 4: return fmaxf(x, 0.0f);
    default: return x;
  }
}
