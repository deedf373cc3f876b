// linear: output = activation(input · weightᵀ + bias)
//
// The weight is packed once into panels of tileColumns output features, [panels][units][tileColumns] units of 32 bits
// (numbers.hpp), padded with zeros. A task owns rowBlock × columnBlock of the output; a panel stays in cache while the task's
// rows pass by. What is multiplied is one of three formats:
//
//   WholeFormat     float32 by float32; of bfloat16 as well, widened, where the CPU does not multiply it
//   Bfloat16Format  bfloat16 by bfloat16
//   Int8Format      int8 by int8: each row of the input by a scale of its own, found as it comes, each row of the weight
//                   likewise, when it is packed; scales lie behind the panels
//
// Rows of the input that are not what is multiplied, or end between two units, are brought into its form first (packRows).

#pragma once

#include "amx.hpp"
#include "numbers.hpp"
#include "words.hpp"

namespace flashmla {
namespace FLASHMLA_ARCHITECTURE {

/** Rows of units are a multiple of this: a step of AMX. */
constexpr int64_t unitMultiple = 16;

struct WholeFormat : Float32 {
  using Element = float;
  static FLASHMLA_INLINE float encode(float x, float) { return x; }
};

#if FLASHMLA_BFLOAT16_PRODUCTS
struct Bfloat16Format : Bfloat16 {
  using Element = uint16_t;
  /** Weights and inputs are bfloat16 already: nothing is lost. */
  static FLASHMLA_INLINE uint16_t encode(float x, float) { return static_cast<uint16_t>(bitsOf<uint32_t>(x) >> 16); }
};
#else
using Bfloat16Format = WholeFormat;
#endif

struct Int8Format : Int8 {
  static FLASHMLA_INLINE WeightElement encode(float x, float inverseScale) {
    return static_cast<WeightElement>(__builtin_rintf(x * inverseScale));
  }
};

template <typename Format>
constexpr bool isInt8 = std::is_same_v<Format, Int8Format>;

template <typename Format>
FLASHMLA_INLINE int64_t unitsOf(int64_t inFeatures) {
  return Format::perUnit == 1 ? inFeatures : roundUp(ceilDivide(inFeatures, Format::perUnit), unitMultiple);
}

/** The largest magnitude of an int8: symmetric, so that −128 is not used. */
constexpr float int8Most = 127;

enum class Activation { none, gelu, geluTanh, tanh, relu };

template <Activation activation>
FLASHMLA_INLINE f32v activated(f32v x) {
  if constexpr (activation == Activation::gelu) return gelu(x);
  if constexpr (activation == Activation::geluTanh) return geluTanh(x);
  if constexpr (activation == Activation::tanh) return tanh(x);
  if constexpr (activation == Activation::relu) return larger(splat(0.0f), x);
  return x;
}

/** A part of the output, and what is added and applied on the way to it. */
template <typename T>
struct Target {
  T* output;
  int64_t stride;
  /** The bias of its columns, or null. */
  const T* bias;
  int64_t width;
  /** Of int8: the scales of its rows; the scales of its columns, and what is subtracted from their sums. */
  const float* rowScales;
  const float* columnScales;
  const int32_t* corrections;
};

/** output = activation(sums · scales + bias); `sums` has rows of tileColumns. */
template <Activation activation, typename Format, typename T>
inline void finishAs(const typename Format::Sum* sums, int64_t rows, const Target<T>& target) {
  for (int64_t row = 0; row < rows; row++) {
    T* to = target.output + row * target.stride;
    const auto valueAt = [&](int64_t i) {
      const auto sum = sums[row * tileVectors + i / lanes];
      if constexpr (isInt8<Format>) {
        const f32v whole = __builtin_convertvector(sum - loadVector<i32v>(target.corrections + i), f32v);
        return whole * (load(target.columnScales + i) * target.rowScales[row]);
      } else {
        return sum;
      }
    };
    eachVector(
        target.width,
        [&](int64_t i) {
          const f32v x = valueAt(i);
          store(to + i, activated<activation>(target.bias ? x + load(target.bias + i) : x));
        },
        [&](int64_t i, int64_t left) {
          const f32v x = valueAt(i);
          storePart(to + i, activated<activation>(target.bias ? x + loadPart(target.bias + i, left) : x), left);
        });
  }
}

template <typename Format, typename T>
inline void finish(Activation activation, const typename Format::Sum* sums, int64_t rows, const Target<T>& target) {
  switch (activation) {
    case Activation::none: return finishAs<Activation::none, Format>(sums, rows, target);
    case Activation::gelu: return finishAs<Activation::gelu, Format>(sums, rows, target);
    case Activation::geluTanh: return finishAs<Activation::geluTanh, Format>(sums, rows, target);
    case Activation::tanh: return finishAs<Activation::tanh, Format>(sums, rows, target);
    case Activation::relu: return finishAs<Activation::relu, Format>(sums, rows, target);
  }
}

/** Calls `done(row, count, sums)` for the sums of some rows after the other with a panel's columns. */
template <typename Format, typename Done>
FLASHMLA_INLINE void multiplyPanel(const typename Format::Unit* a, int64_t rows, const typename Format::Unit* panel,
                                   int64_t units, Done done) {
  using Sum = typename Format::Sum;
#if defined(__AMX_TILE__)
  if constexpr (Format::perUnit > 1) {
    alignas(64) Sum sums[amxRows * tileVectors];
    for (int64_t row = 0; row < rows; row += amxRows) {
      const int64_t count = least<int64_t>(amxRows, rows - row);
      if (count < amxRows) configureTiles(count);
      if (count > 16) {
        multiplyByTiles<Format, true>(a + row * units, units, panel, units / amxDepth, sums);
      } else {
        multiplyByTiles<Format, false>(a + row * units, units, panel, units / amxDepth, sums);
      }
      if (count < amxRows) configureTiles(amxRows);
      done(row, count, sums);
    }
    return;
  }
#endif
  eachTile<tileRows>(rows, [&](int64_t row, auto tile) {
    constexpr int count = decltype(tile)::of;
    Sum sums[count][tileVectors] = {};
    multiply<Format>(RowMajor<typename Format::Unit>{a + row * units, units},
                     Panel<tileColumns, typename Format::Unit>{panel}, units, sums);
    done(row, count, &sums[0][0]);
  });
}

/** A product, and how it is cut into tasks of rowBlock × columnBlock of the output. */
struct LinearSizes {
  int64_t rows, inFeatures, outFeatures;
  Activation activation;
  int64_t rowBlock, columnBlock;

  explicit LinearSizes(Words& words) {
    int64_t number;
    words.integers(rows, inFeatures, outFeatures, number, rowBlock, columnBlock);
    activation = static_cast<Activation>(number);
  }
};

/** Calls `done(row, column, rows, width, sums)` for each tile of a task's part of the output. */
template <typename Format, typename Done>
FLASHMLA_INLINE void multiplyTask(const LinearSizes& sizes, const typename Format::Unit* input,
                                  const typename Format::Unit* weight, int64_t task, Done done) {
  const int64_t units = unitsOf<Format>(sizes.inFeatures);
  const int64_t columnBlocks = ceilDivide(sizes.outFeatures, sizes.columnBlock);
  const int64_t firstRow = task / columnBlocks * sizes.rowBlock;
  const int64_t rowCount = least(sizes.rowBlock, sizes.rows - firstRow);
  const int64_t firstColumn = task % columnBlocks * sizes.columnBlock;
  const int64_t lastColumn = least(firstColumn + sizes.columnBlock, sizes.outFeatures);
#if defined(__AMX_TILE__)
  if constexpr (Format::perUnit > 1) configureTiles(amxRows);
#endif
  for (int64_t column = firstColumn; column < lastColumn; column += tileColumns) {
    const int64_t width = least<int64_t>(tileColumns, lastColumn - column);
    multiplyPanel<Format>(input + firstRow * units, rowCount, weight + column * units, units,
                          [&](int64_t row, int64_t count, const typename Format::Sum* sums) {
                            done(firstRow + row, column, count, width, sums);
                          });
  }
#if defined(__AMX_TILE__)
  if constexpr (Format::perUnit > 1) _tile_release();
#endif
}

/** words: input or packed rows, weight (packed), bias or 0, output, row scales or 0, then LinearSizes */
template <typename Format, typename T>
void linear(const double* arguments, int64_t task, char*) {
  using Unit = typename Format::Unit;
  Words words(arguments);
  const Unit* input = words.pointer<const Unit>();
  const Unit* weight = words.pointer<const Unit>();
  const T* bias = words.pointer<const T>();
  T* output = words.pointer<T>();
  const float* rowScales = words.pointer<const float>();
  const LinearSizes sizes(words);
  const int64_t paddedColumns = roundUp(sizes.outFeatures, tileColumns);
  const float* columnScales = reinterpret_cast<const float*>(weight + paddedColumns * unitsOf<Format>(sizes.inFeatures));
  const int32_t* corrections = reinterpret_cast<const int32_t*>(columnScales + paddedColumns);
  multiplyTask<Format>(sizes, input, weight, task,
                       [&](int64_t row, int64_t column, int64_t count, int64_t width, const typename Format::Sum* sums) {
                         finish<Format, T>(sizes.activation, sums, count,
                                           {output + row * sizes.outFeatures + column, sizes.outFeatures,
                                            bias ? bias + column : nullptr, width, rowScales + (isInt8<Format> ? row : 0),
                                            columnScales + column, corrections + column});
                       });
}

/** NaN where the row has one: as bits it is larger than infinity. */
template <typename T>
FLASHMLA_INLINE float largestMagnitude(const T* row, int64_t count) {
  i32v largest = {};
  const auto consider = [&](f32v x) {
    const i32v bits = bitsOf<i32v>(magnitude(x));
    largest = bits > largest ? bits : largest;
  };
  eachVector(
      count, [&](int64_t i) { consider(load(row + i)); }, [&](int64_t i, int64_t left) { consider(loadPart(row + i, left)); });
  int32_t all = 0;
  for (int i = 0; i < lanes; i++) all = most<int32_t>(all, largest[i]);
  return bitsOf<float>(all);
}

/** A task is packedRowsOfTask rows. words: input, packed, row scales or 0, rows, inFeatures */
constexpr int64_t packedRowsOfTask = 16;

template <typename Format, typename T>
void packRows(const double* arguments, int64_t task, char*) {
  Words words(arguments);
  const T* input = words.pointer<const T>();
  typename Format::Element* packed = words.pointer<typename Format::Element>();
  float* scales = words.pointer<float>();
  int64_t rows, inFeatures;
  words.integers(rows, inFeatures);
  const int64_t stride = unitsOf<Format>(inFeatures) * Format::perUnit;
  for (int64_t row = task * packedRowsOfTask; row < least(rows, (task + 1) * packedRowsOfTask); row++) {
    const T* from = input + row * inFeatures;
    typename Format::Element* to = packed + row * stride;
    float inverse = 1;
    if constexpr (isInt8<Format>) {
      const float largest = largestMagnitude(from, inFeatures);
      scales[row] = largest / int8Most;
      inverse = largest > 0 ? int8Most / largest : 0;
      for (int64_t i = 0; i < inFeatures; i++) {
        to[i] = static_cast<typename Format::Element>(Format::encode(widen(from[i]), inverse) + Format::offset);
      }
      for (int64_t i = inFeatures; i < stride; i++) to[i] = Format::offset;
    } else {
      for (int64_t i = 0; i < inFeatures; i++) to[i] = Format::encode(widen(from[i]), inverse);
      memset(to + inFeatures, 0, static_cast<size_t>(stride - inFeatures) * sizeof *to);
    }
  }
}

/** Depth that is packed at a time: what lies in one line of cache is read and written together. */
constexpr int64_t packDepth = 16;

/** Packs a [outFeatures, inFeatures] weight; a task a panel. words: weight, packed, outFeatures, inFeatures */
template <typename Format, typename T>
void packWeight(const double* arguments, int64_t task, char*) {
  using Element = std::conditional_t<isInt8<Format>, Int8::WeightElement, typename Format::Element>;
  Words words(arguments);
  const T* weight = words.pointer<const T>();
  Element* packed = words.pointer<Element>();
  int64_t outFeatures, inFeatures;
  words.integers(outFeatures, inFeatures);
  const int64_t units = unitsOf<Format>(inFeatures);
  constexpr int perUnit = Format::perUnit;
  Element* panel = packed + task * tileColumns * units * perUnit;
  const int64_t paddedColumns = roundUp(outFeatures, tileColumns);
  const int64_t firstColumn = task * tileColumns;
  const int64_t columns = least<int64_t>(tileColumns, outFeatures - firstColumn);
  float* scales = reinterpret_cast<float*>(packed + paddedColumns * units * perUnit) + firstColumn;
  int32_t* corrections = reinterpret_cast<int32_t*>(scales + paddedColumns);
  float inverses[tileColumns];
  int32_t sums[tileColumns] = {};
  if constexpr (isInt8<Format>) {
    for (int64_t i = 0; i < tileColumns; i++) {
      const float largest = i < columns ? largestMagnitude(weight + (firstColumn + i) * inFeatures, inFeatures) : 0;
      scales[i] = largest / int8Most;
      inverses[i] = largest > 0 ? int8Most / largest : 0;
    }
  }
  if (columns < tileColumns || units * perUnit > inFeatures) {
    memset(panel, 0, static_cast<size_t>(tileColumns * units * perUnit) * sizeof(Element));
  }
  for (int64_t first = 0; first < inFeatures; first += packDepth) {
    const int64_t last = least(first + packDepth, inFeatures);
    for (int64_t i = 0; i < columns; i++) {
      const T* from = weight + (firstColumn + i) * inFeatures;
      for (int64_t depth = first; depth < last; depth++) {
        const Element x = Format::encode(widen(from[depth]), isInt8<Format> ? inverses[i] : 1);
        panel[(depth / perUnit * tileColumns + i) * perUnit + depth % perUnit] = x;
        if constexpr (isInt8<Format>) sums[i] += x;
      }
    }
  }
  if constexpr (isInt8<Format>) {
    for (int64_t i = 0; i < tileColumns; i++) corrections[i] = sums[i] * Format::offset;
  }
}

/** The inverse, but for what int8 lost. words: packed, weight, outFeatures, inFeatures */
template <typename Format, typename T>
void unpackWeight(const double* arguments, int64_t task, char*) {
  using Element = std::conditional_t<isInt8<Format>, Int8::WeightElement, typename Format::Element>;
  Words words(arguments);
  const Element* packed = words.pointer<const Element>();
  T* weight = words.pointer<T>();
  int64_t outFeatures, inFeatures;
  words.integers(outFeatures, inFeatures);
  const int64_t units = unitsOf<Format>(inFeatures);
  constexpr int perUnit = Format::perUnit;
  const Element* panel = packed + task * tileColumns * units * perUnit;
  const float* scales = reinterpret_cast<const float*>(packed + roundUp(outFeatures, tileColumns) * units * perUnit);
  for (int64_t i = 0; i < least<int64_t>(tileColumns, outFeatures - task * tileColumns); i++) {
    const int64_t column = task * tileColumns + i;
    for (int64_t depth = 0; depth < inFeatures; depth++) {
      const Element x = panel[(depth / perUnit * tileColumns + i) * perUnit + depth % perUnit];
      T* to = weight + column * inFeatures + depth;
      if constexpr (isInt8<Format>) {
        assign(to, static_cast<float>(x) * scales[column]);
      } else if constexpr (sizeof(Element) == 2) {
        assign(to, widen(bfloat16{x}));
      } else {
        assign(to, x);
      }
    }
  }
}

}  // namespace FLASHMLA_ARCHITECTURE
}  // namespace flashmla
