// The instruction sets that kernels are compiled for, by platform: the name of their namespace, and the compiler's flags.
// native/architectures.cpp finds out which of them a CPU has.

const x64 = {
  avx2: ['-mavx2', '-mfma', '-mf16c'],
  avx512: ['-march=skylake-avx512', '-mprefer-vector-width=512'],
};
const arm64 = { neon: [] };

export const platforms = {
  'linux-x64': { architectures: x64, compilers: ['g++', 'clang++'], flags: ['-march=x86-64'] },
  'linux-arm64': { architectures: arm64, compilers: ['aarch64-linux-gnu-g++'], flags: ['-march=armv8-a'] },
};
