// linear: output = activation(input · weightᵀ + bias)
//
// The weight is packed once into panels of tileColumns output features, [panels][inFeatures][tileColumns], padded with
// zeros. A task owns rowBlock × columnBlock of the output; a panel stays in cache while the task's rows pass by.

#pragma once

#include "matmul.hpp"
#include "words.hpp"

namespace flashmla {
namespace FLASHMLA_ARCHITECTURE {

enum class Activation { none, gelu, geluTanh, tanh, relu };

template <Activation activation>
FLASHMLA_INLINE f32v activated(f32v x) {
  if constexpr (activation == Activation::gelu) return gelu(x);
  if constexpr (activation == Activation::geluTanh) return geluTanh(x);
  if constexpr (activation == Activation::tanh) return tanh(x);
  if constexpr (activation == Activation::relu) return larger(splat(0.0f), x);
  return x;
}

/** Where sums go: rows × width of the output, from a column on. */
template <typename T>
struct Target {
  T* output;
  int64_t stride;
  /** The bias of its columns, or null. */
  const T* bias;
  int64_t width;
};

/** output = activation(sums + bias); `sums` has rows of tileColumns. */
template <Activation activation, typename T>
inline void finishAs(const float* sums, int64_t rows, const Target<T>& target) {
  for (int64_t row = 0; row < rows; row++) {
    const float* from = sums + row * tileColumns;
    T* to = target.output + row * target.stride;
    eachVector(
        target.width,
        [&](int64_t i) {
          const f32v x = load(from + i);
          store(to + i, activated<activation>(target.bias ? x + load(target.bias + i) : x));
        },
        [&](int64_t i, int64_t left) {
          const f32v x = load(from + i);
          storePart(to + i, activated<activation>(target.bias ? x + loadPart(target.bias + i, left) : x), left);
        });
  }
}

template <typename T>
inline void finish(Activation activation, const float* sums, int64_t rows, const Target<T>& target) {
  switch (activation) {
    case Activation::none: return finishAs<Activation::none>(sums, rows, target);
    case Activation::gelu: return finishAs<Activation::gelu>(sums, rows, target);
    case Activation::geluTanh: return finishAs<Activation::geluTanh>(sums, rows, target);
    case Activation::tanh: return finishAs<Activation::tanh>(sums, rows, target);
    case Activation::relu: return finishAs<Activation::relu>(sums, rows, target);
  }
}

/** words: input, weight (packed), bias or 0, output, rows, inFeatures, outFeatures, activation, rowBlock, columnBlock */
inline void linear(const double* arguments, int64_t task, char*) {
  Words words(arguments);
  const float* input = words.pointer<const float>();
  const float* weight = words.pointer<const float>();
  const float* bias = words.pointer<const float>();
  float* output = words.pointer<float>();
  const int64_t rows = words.integer();
  const int64_t inFeatures = words.integer();
  const int64_t outFeatures = words.integer();
  const Activation activation = static_cast<Activation>(words.integer());
  const int64_t rowBlock = words.integer();
  const int64_t columnBlock = words.integer();

  const int64_t columnBlocks = ceilDivide(outFeatures, columnBlock);
  const int64_t rowStart = task / columnBlocks * rowBlock;
  const int64_t rowCount = least(rowBlock, rows - rowStart);
  const int64_t columnStart = task % columnBlocks * columnBlock;
  const int64_t columnEnd = least(columnStart + columnBlock, outFeatures);
  for (int64_t column = columnStart; column < columnEnd; column += tileColumns) {
    const Panel<tileColumns> panel{weight + column * inFeatures};
    const int64_t width = least<int64_t>(tileColumns, columnEnd - column);
    eachTile<tileRows>(rowCount, [&](int64_t row, auto tile) {
      constexpr int count = decltype(tile)::of;
      f32v sum[count][tileVectors] = {};
      multiply(RowMajor{input + (rowStart + row) * inFeatures, inFeatures}, panel, inFeatures, sum);
      float sums[count * tileColumns];
      memcpy(sums, sum, sizeof sums);
      const Target<float> target{output + (rowStart + row) * outFeatures + column, outFeatures, bias ? bias + column : nullptr, width};
      finish(activation, sums, count, target);
    });
  }
}

/** Packs a [outFeatures, inFeatures] weight; a task a panel. words: weight, packed, outFeatures, inFeatures */
inline void packWeight(const double* arguments, int64_t task, char*) {
  Words words(arguments);
  const float* weight = words.pointer<const float>();
  float* packed = words.pointer<float>();
  int64_t outFeatures, inFeatures;
  words.integers(outFeatures, inFeatures);
  const int64_t first = task * tileColumns;
  float* panel = packed + first * inFeatures;
  for (int64_t depth = 0; depth < inFeatures; depth++) {
    for (int64_t column = first; column < first + tileColumns; column++) {
      *panel++ = column < outFeatures ? weight[column * inFeatures + depth] : 0;
    }
  }
}

/** The inverse. words: packed, weight, outFeatures, inFeatures */
inline void unpackWeight(const double* arguments, int64_t task, char*) {
  Words words(arguments);
  const float* packed = words.pointer<const float>();
  float* weight = words.pointer<float>();
  int64_t outFeatures, inFeatures;
  words.integers(outFeatures, inFeatures);
  const int64_t first = task * tileColumns;
  const float* panel = packed + first * inFeatures;
  for (int64_t column = first; column < least(first + tileColumns, outFeatures); column++) {
    for (int64_t depth = 0; depth < inFeatures; depth++) {
      weight[column * inFeatures + depth] = panel[depth * tileColumns + column - first];
    }
  }
}

}  // namespace FLASHMLA_ARCHITECTURE
}  // namespace flashmla
