// The register tile that every dense product is made of: rows × (vectors · lanes) sums stay in registers while the depth
// goes by, an element of A broadcast, a row of B by whole vectors.
//
// AVX-512 and NEON have 32 registers: 12 rows × 2 vectors keep 24 sums, 2 of B and 1 of A. AVX2 has 16: 6 × 2.

#pragma once

#include "simd.hpp"

namespace flashmla {
namespace FLASHMLA_ARCHITECTURE {

constexpr int tileRows = lanes == 8 ? 6 : 12;
constexpr int tileVectors = 2;
/** Columns of a tile, and of a panel of packed weights. */
constexpr int tileColumns = tileVectors * lanes;

/** What is multiplied: a unit is what lies in 32 bits of depth. */
struct Float32 {
  using Unit = float;
  using Vector = f32v;
  using Sum = f32v;
  static constexpr int perUnit = 1;
  static FLASHMLA_INLINE Vector broadcast(Unit a) { return splat(a); }
  template <typename T>
  static FLASHMLA_INLINE Vector read(const T* b) {
    return load(b);
  }
  static FLASHMLA_INLINE Sum add(Sum sum, Vector a, Vector b) { return multiplyAdd(a, b, sum); }
};

/** A as rows that lie `stride` elements apart. */
template <typename T>
struct RowMajor {
  const T* base;
  int64_t stride;
  FLASHMLA_INLINE T at(int row, int64_t depth) const { return base[row * stride + depth]; }
};

/** A with its rows side by side: `width` rows at each depth. */
template <int width, typename T = float>
struct DepthMajor {
  const T* base;
  FLASHMLA_INLINE T at(int row, int64_t depth) const { return base[depth * width + row]; }
};

/** The same, `stride` of them. */
struct ColumnMajor {
  const float* base;
  int64_t stride;
  FLASHMLA_INLINE float at(int row, int64_t depth) const { return base[depth * stride + row]; }
};

/** B as rows of `width` elements, one behind the other. */
template <int width, typename T = float>
struct Panel {
  const T* base;
  FLASHMLA_INLINE const T* row(int64_t depth) const { return base + depth * width; }
};

/** B as rows that lie `stride` elements apart. */
template <typename T = float>
struct Strided {
  const T* base;
  int64_t stride;
  FLASHMLA_INLINE const T* row(int64_t depth) const { return base + depth * stride; }
};

/** B as rows that lie anywhere; `first` is the column that the tile begins with. */
template <typename T>
struct Scattered {
  const T* const* rows;
  int64_t first;
  FLASHMLA_INLINE const T* row(int64_t depth) const { return rows[depth] + first; }
};

/** sum += A · B */
template <typename Numbers = Float32, int rows, int vectors, typename A, typename B>
FLASHMLA_INLINE void multiply(const A& a, const B& b, int64_t depth, typename Numbers::Sum (&sum)[rows][vectors]) {
  static_assert(rows <= 24 && vectors <= 16, "loops over a tile are unrolled, or its sums would lie in memory");
  // A copy that nobody has the address of: GCC 12 writes the sums of 16 × 1 to memory in every round otherwise.
  typename Numbers::Sum kept[rows][vectors];
#pragma GCC unroll 24
  for (int r = 0; r < rows; r++)
#pragma GCC unroll 16
    for (int v = 0; v < vectors; v++) kept[r][v] = sum[r][v];
  for (int64_t k = 0; k < depth; k++) {
    typename Numbers::Vector bs[vectors];
#pragma GCC unroll 16
    for (int v = 0; v < vectors; v++) bs[v] = Numbers::read(b.row(k) + v * lanes);
#pragma GCC unroll 24
    for (int r = 0; r < rows; r++) {
      const typename Numbers::Vector x = Numbers::broadcast(a.at(r, k));
#pragma GCC unroll 16
      for (int v = 0; v < vectors; v++) kept[r][v] = Numbers::add(kept[r][v], x, bs[v]);
    }
  }
#pragma GCC unroll 24
  for (int r = 0; r < rows; r++)
#pragma GCC unroll 16
    for (int v = 0; v < vectors; v++) sum[r][v] = kept[r][v];
}

template <int value>
struct Constant {
  static constexpr int of = value;
};

template <int rows, typename Body>
FLASHMLA_INLINE void lastTile(int64_t row, int64_t left, Body body) {
  if constexpr (rows > 0) {
    if (left == rows) return body(row, Constant<rows>{});
    lastTile<rows - 1>(row, left, body);
  }
}

/** Calls `body` with a constant of as many rows as there are: tiles of `most` and at the end what is left. */
template <int most, typename Body>
FLASHMLA_INLINE void eachTile(int64_t rows, Body body) {
  int64_t row = 0;
  for (; row + most <= rows; row += most) body(row, Constant<most>{});
  lastTile<most - 1>(row, rows - row, body);
}

}  // namespace FLASHMLA_ARCHITECTURE
}  // namespace flashmla
