// The instruction sets that kernels are compiled for, by platform: the name of their namespace, and the compiler's flags.
// native/architectures.cpp finds out which of them a CPU has.

const avx2 = ['-mavx2', '-mfma', '-mf16c', '-mbmi', '-mbmi2', '-mpopcnt'];
const avx512 = [...avx2, '-mavx512f', '-mavx512bw', '-mavx512dq', '-mavx512vl', '-mprefer-vector-width=512'];
const avx512vnni = [...avx512, '-mavx512vnni'];
const avx512bf16 = [...avx512vnni, '-mavx512bf16'];
const amx = [...avx512bf16, '-mamx-tile', '-mamx-bf16', '-mamx-int8'];
const x64 = { avx2, avx512, avx512vnni, avx512bf16, amx };
const arm64 = { neon: [] };

export const platforms = {
  'linux-x64': { architectures: x64, compilers: ['g++', 'clang++'], flags: ['-march=x86-64'] },
  'linux-arm64': { architectures: arm64, compilers: ['aarch64-linux-gnu-g++'], flags: ['-march=armv8-a'] },
};
