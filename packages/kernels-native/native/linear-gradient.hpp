// linear-gradient: inputGradient = dz · weight, weightGradient = dzᵀ · input, biasGradient = Σ_rows dz, with
// dz = outputGradient ∘ activation′(input · weightᵀ + bias).
//
// The first is `linear` with the weight's rows as depth: packPanels cuts them as `linear` wants them. So is what is behind an
// activation, which linearSlopes makes into dz while its sums are in cache. The second has the rows of a batch as depth, too
// many to pack beforehand without a way through memory: a task packs depthBlock of them at a time, of both operands, where
// they stay in cache, and keeps its part of the sums beside them. Each sum is made by one task in the order of the rows.

#pragma once

#include "linear.hpp"

namespace flashmla {
namespace FLASHMLA_ARCHITECTURE {

/** activation′(x); relu′(0) = 0. */
template <Activation activation>
FLASHMLA_INLINE f32v slope(f32v x) {
  if constexpr (activation == Activation::gelu) return geluSlope(x);
  if constexpr (activation == Activation::geluTanh) return geluTanhSlope(x);
  if constexpr (activation == Activation::tanh) return 1.0f - tanh(x) * tanh(x);
  if constexpr (activation == Activation::relu) return x > 0.0f ? splat(1.0f) : f32v{};
  return splat(1.0f);
}

/** A part of dz, and what it is made from beside the sums. */
struct SlopeTarget {
  float* dz;
  const float* outputGradient;
  int64_t stride;
  /** Of its columns, or null. */
  const float* bias;
  int64_t width;
};

/** dz = outputGradient · activation′(sums + bias); `sums` has rows of tileColumns. */
template <Activation activation>
inline void applySlopes(const f32v* sums, int64_t rows, const SlopeTarget& target) {
  for (int64_t row = 0; row < rows; row++) {
    float* to = target.dz + row * target.stride;
    const float* flowing = target.outputGradient + row * target.stride;
    const f32v* sum = sums + row * tileVectors;
    eachVector(
        target.width,
        [&](int64_t i) {
          const f32v z = target.bias ? sum[i / lanes] + load(target.bias + i) : sum[i / lanes];
          store(to + i, load(flowing + i) * slope<activation>(z));
        },
        [&](int64_t i, int64_t left) {
          const f32v z = target.bias ? sum[i / lanes] + loadPart(target.bias + i, left) : sum[i / lanes];
          storePart(to + i, loadPart(flowing + i, left) * slope<activation>(z), left);
        });
  }
}

/** words: input, weight (packed), bias or 0, dz, outputGradient, then LinearSizes */
inline void linearSlopes(const double* arguments, int64_t task, char*) {
  Words words(arguments);
  const float* input = words.pointer<const float>();
  const float* weight = words.pointer<const float>();
  const float* bias = words.pointer<const float>();
  float* dz = words.pointer<float>();
  const float* outputGradient = words.pointer<const float>();
  const LinearSizes sizes(words);
  multiplyTask<WholeFormat>(
      sizes, input, weight, task, [&](int64_t row, int64_t column, int64_t count, int64_t width, const f32v* sums) {
        const int64_t at = row * sizes.outFeatures + column;
        // What the next tile down will need lies on as many pages as it has rows: no hardware fetches it ahead.
        for (int64_t next = row + count; next < least(row + 2 * count, sizes.rows); next++) {
          prefetch(outputGradient + next * sizes.outFeatures + column, width);
        }
        const SlopeTarget target{dz + at, outputGradient + at, sizes.outFeatures, bias ? bias + column : nullptr, width};
        switch (sizes.activation) {
          case Activation::none: return applySlopes<Activation::none>(sums, count, target);
          case Activation::gelu: return applySlopes<Activation::gelu>(sums, count, target);
          case Activation::geluTanh: return applySlopes<Activation::geluTanh>(sums, count, target);
          case Activation::tanh: return applySlopes<Activation::tanh>(sums, count, target);
          case Activation::relu: return applySlopes<Activation::relu>(sums, count, target);
        }
      });
}

/** Cuts rows that lie `stride` apart into panels [⌈columns / width⌉][panelRows][width], padded with zeros. */
template <int width>
FLASHMLA_INLINE void cutPanels(const float* from, int64_t stride, int64_t rows, int64_t columns, float* to, int64_t panelRows) {
  for (int64_t row = 0; row < rows; row++, from += stride, to += width) {
    float* at = to;
    int64_t column = 0;
    for (; column + width <= columns; column += width, at += panelRows * width) memcpy(at, from + column, width * sizeof(float));
    if (column == columns) continue;
    memset(at, 0, width * sizeof(float));
    memcpy(at, from + column, static_cast<size_t>(columns - column) * sizeof(float));
  }
}

/** Rows of a task of packPanels. */
constexpr int64_t panelTaskRows = 32;

/** A [rows, columns] matrix as a packed weight of `linear` whose inFeatures are the rows. words: matrix, packed, rows, columns */
inline void packPanels(const double* arguments, int64_t task, char*) {
  Words words(arguments);
  const float* matrix = words.pointer<const float>();
  float* packed = words.pointer<float>();
  int64_t rows, columns;
  words.integers(rows, columns);
  const int64_t first = task * panelTaskRows;
  cutPanels<tileColumns>(matrix + first * columns, columns, least(panelTaskRows, rows - first), columns,
                         packed + first * tileColumns, rows);
}

/** Rows of the batch that a task of weightGradient packs at a time. */
constexpr int64_t depthBlock = 128;

/** sums += rows, from the first to the last, `count` columns of them */
FLASHMLA_INLINE void addColumns(const float* from, int64_t stride, int64_t rows, int64_t count, float* sums) {
  const auto sumOf = [&](auto read) {
    f32v sum = {};
    for (int64_t row = 0; row < rows; row++) sum += read(from + row * stride);
    return sum;
  };
  eachVector(
      count, [&](int64_t i) { store(sums + i, load(sums + i) + sumOf([&](const float* row) { return load(row + i); })); },
      [&](int64_t i, int64_t left) {
        const f32v sum = sumOf([&](const float* row) { return loadPart(row + i, left); });
        storePart(sums + i, loadPart(sums + i, left) + sum, left);
      });
}

/**
 * A task is rowBlock × columnBlock of weightGradient, and of biasGradient what belongs to its rows if it has the first column.
 * words: input, dz, weightGradient, biasGradient or 0, rows, inFeatures, outFeatures, rowBlock, columnBlock
 * scratch: float depthBlock × rowBlock, depthBlock × columnBlock, rowBlock × columnBlock, the blocks rounded up to whole tiles
 */
inline void weightGradient(const double* arguments, int64_t task, char* scratch) {
  Words words(arguments);
  const float* input = words.pointer<const float>();
  const float* dz = words.pointer<const float>();
  float* gradient = words.pointer<float>();
  float* biasGradient = words.pointer<float>();
  int64_t rows, inFeatures, outFeatures, rowBlock, columnBlock;
  words.integers(rows, inFeatures, outFeatures, rowBlock, columnBlock);
  const int64_t columnBlocks = ceilDivide(inFeatures, columnBlock);
  const int64_t firstRow = task / columnBlocks * rowBlock;
  const int64_t rowCount = least(rowBlock, outFeatures - firstRow);
  const int64_t firstColumn = task % columnBlocks * columnBlock;
  const int64_t columnCount = least(columnBlock, inFeatures - firstColumn);
  const int64_t tiles = ceilDivide(rowCount, tileRows);
  const int64_t panels = ceilDivide(columnCount, tileColumns);
  constexpr int64_t tileSize = tileRows * tileColumns;

  Scratch memory(scratch);
  float* tileParts = memory.take<float>(depthBlock * tiles * tileRows);
  float* panelParts = memory.take<float>(depthBlock * panels * tileColumns);
  float* sums = memory.take<float>(tiles * panels * tileSize);
  memset(sums, 0, static_cast<size_t>(tiles * panels * tileSize) * sizeof(float));
  const bool addsBias = biasGradient && firstColumn == 0;
  if (addsBias) memset(biasGradient + firstRow, 0, static_cast<size_t>(rowCount) * sizeof(float));

  for (int64_t first = 0; first < rows; first += depthBlock) {
    const int64_t depth = least(depthBlock, rows - first);
    const float* from = dz + first * outFeatures + firstRow;
    cutPanels<tileRows>(from, outFeatures, depth, rowCount, tileParts, depth);
    if (addsBias) addColumns(from, outFeatures, depth, rowCount, biasGradient + firstRow);
    cutPanels<tileColumns>(input + first * inFeatures + firstColumn, inFeatures, depth, columnCount, panelParts, depth);
    for (int64_t panel = 0; panel < panels; panel++) {
      for (int64_t tile = 0; tile < tiles; tile++) {
        float* to = sums + (panel * tiles + tile) * tileSize;
        f32v sum[tileRows][tileVectors];
        memcpy(sum, to, sizeof sum);
        multiply(DepthMajor<tileRows>{tileParts + tile * depth * tileRows},
                 Panel<tileColumns>{panelParts + panel * depth * tileColumns}, depth, sum);
        memcpy(to, sum, sizeof sum);
      }
    }
  }
  for (int64_t row = 0; row < rowCount; row++) {
    for (int64_t panel = 0; panel < panels; panel++) {
      const float* from = sums + (panel * tiles + row / tileRows) * tileSize + row % tileRows * tileColumns;
      const int64_t column = firstColumn + panel * tileColumns;
      const int64_t width = least<int64_t>(tileColumns, firstColumn + columnCount - column);
      memcpy(gradient + (firstRow + row) * inFeatures + column, from, static_cast<size_t>(width) * sizeof(float));
    }
  }
}

}  // namespace FLASHMLA_ARCHITECTURE
}  // namespace flashmla
