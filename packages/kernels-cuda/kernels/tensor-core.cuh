// Tensor-core multiplication, the loads that feed it and copies that do not wait, each with a plain fallback for the shim.
// Fragments are PTX's of mma.m16n8k16 (PTX ISA, "Matrix Fragments for mma.m16n8k16"): of lane l, with g = l / 4, t = l % 4,
//   a: rows g, g + 8, g, g + 8; columns 2t, 2t + 1 in the first two registers, 8 further in the others
//   b: column g; rows 2t, 2t + 1 in the first register, 8 further in the second
//   sums: row g in the first two, g + 8 in the others; columns 2t, 2t + 1
#pragma once
#include "portable.cuh"

/** Two neighbouring elements in a register, the first in its lower half. */
template <typename T>
DEVICE unsigned pack2(float first, float second) {
  const T both[2] = {from_float<T>(first), from_float<T>(second)};
  return *reinterpret_cast<const unsigned*>(both);
}

#ifdef __CUDACC__

/** sums += a (16 × 16) · b (16 × 8) */
template <typename T>
DEVICE void multiply_add(float (&sums)[4], const unsigned (&a)[4], unsigned b0, unsigned b1);
template <>
DEVICE void multiply_add<float16>(float (&sums)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
template <>
DEVICE void multiply_add<bfloat16>(float (&sums)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

DEVICE unsigned shared_address(const void* pointer) { return static_cast<unsigned>(__cvta_generic_to_shared(pointer)); }

/** Four 8 × 8 matrices of shared memory: lane l names row l % 8 of matrix l / 8, and gets of each its part of a fragment. */
DEVICE void load_matrices(unsigned (&to)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(shared_address(row)));
}
DEVICE void load_matrices_transposed(unsigned (&to)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(shared_address(row)));
}

/** Begins a copy of 16 bytes into shared memory; zeros instead where `there` is false, and then nothing is read. */
DEVICE void copy16_async(void* to, const void* from, bool there) {
  const int bytes = there ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from), "r"(bytes) : "memory");
}
/** The same of 8 bytes. */
DEVICE void copy8_async(void* to, const void* from, bool there) {
  const int bytes = there ? 8 : 0;
  asm volatile("cp.async.ca.shared.global [%0], [%1], 8, %2;" ::"r"(shared_address(to)), "l"(from), "r"(bytes) : "memory");
}
/** Ends a group of copies. */
DEVICE void copies_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
/** Waits until at most PENDING of this thread's groups are not done. What other threads copied needs a barrier too. */
template <int PENDING>
DEVICE void copies_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory");
}

#else

template <typename T>
inline float half_of(unsigned pair, int which) {
  return to_float(T{static_cast<std::uint16_t>(which ? pair >> 16 : pair)});
}

template <typename T>
inline void multiply_add(float (&sums)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
  const unsigned mine[6] = {a[0], a[1], a[2], a[3], b0, b1};
  const shim::Shown* const lanes = shim::exchange(mine, sizeof mine);
  const int lane = threadIdx.x % 32;
  for (int i = 0; i < 4; i++) {
    const int row = lane / 4 + i / 2 * 8;
    const int column = lane % 4 * 2 + i % 2;
    for (int k = 0; k < 16; k++) {
      const unsigned of_a = lanes[row % 8 * 4 + k % 8 / 2].words[row / 8 + k / 8 * 2];
      const unsigned of_b = lanes[column * 4 + k % 8 / 2].words[4 + k / 8];
      sums[i] += half_of<T>(of_a, k % 2) * half_of<T>(of_b, k % 2);
    }
  }
}

inline void load_matrices(unsigned (&to)[4], const void* row) {
  const shim::Shown* const lanes = shim::exchange(&row, sizeof row);
  const int lane = threadIdx.x % 32;
  for (int matrix = 0; matrix < 4; matrix++) {
    const unsigned* from;
    std::memcpy(&from, &lanes[matrix * 8 + lane / 4], sizeof from);
    to[matrix] = from[lane % 4];
  }
}

inline void load_matrices_transposed(unsigned (&to)[4], const void* row) {
  const shim::Shown* const lanes = shim::exchange(&row, sizeof row);
  const int lane = threadIdx.x % 32;
  for (int matrix = 0; matrix < 4; matrix++) {
    std::uint16_t both[2];
    for (int i = 0; i < 2; i++) {
      const std::uint16_t* from;
      std::memcpy(&from, &lanes[matrix * 8 + lane % 4 * 2 + i], sizeof from);
      both[i] = from[lane / 4];
    }
    std::memcpy(&to[matrix], both, sizeof both);
  }
}

inline void copy16_async(void* to, const void* from, bool there) { shim::copy_later(to, there ? from : nullptr, 16); }
inline void copy8_async(void* to, const void* from, bool there) { shim::copy_later(to, there ? from : nullptr, 8); }
inline void copies_commit() { shim::end_copies(); }
template <int PENDING>
inline void copies_wait() {
  shim::make_copies(PENDING);
}

#endif
