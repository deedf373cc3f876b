// gate-projection: output[b, h, t] = input[b, h, t] · map[h]

#pragma once

#include "matmul.hpp"
#include "words.hpp"

namespace flashmla {
namespace FLASHMLA_ARCHITECTURE {

constexpr int64_t projectionTokens = 256;

/**
 * A task is projectionTokens tokens of a head. words: input, map, output, heads, tokens, features, rank, then strides of
 * batch, head and token in elements
 * scratch, float: the map in panels, features × roundUp(rank, tileColumns); tileRows × features
 */
template <typename T>
void gateProjection(const double* arguments, int64_t task, char* scratch) {
  Words words(arguments);
  const T* input = words.pointer<const T>();
  const float* map = words.pointer<const float>();
  float* output = words.pointer<float>();
  const int64_t heads = words.integer();
  const int64_t tokens = words.integer();
  const int64_t features = words.integer();
  const int64_t rank = words.integer();
  const int64_t batchStride = words.integer();
  const int64_t headStride = words.integer();
  const int64_t tokenStride = words.integer();
  const int64_t chunks = ceilDivide(tokens, projectionTokens);
  const int64_t batchHead = task / chunks;
  const int64_t head = batchHead % heads;
  const int64_t start = task % chunks * projectionTokens;
  const int64_t count = least(projectionTokens, tokens - start);
  const T* rows = input + batchHead / heads * batchStride + head * headStride + start * tokenStride;
  const float* ofHead = map + head * features * rank;
  float* out = output + (batchHead * tokens + start) * rank;

  Scratch memory(scratch);
  float* panels = memory.take<float>(features * roundUp(rank, tileColumns));
  float* widened = memory.take<float>(tileRows * features);
  for (int64_t column = 0; column < rank; column += tileColumns) {
    const int64_t width = least<int64_t>(tileColumns, rank - column);
    for (int64_t i = 0; i < features; i++) {
      float* to = panels + column * features + i * tileColumns;
      memset(to, 0, tileColumns * sizeof(float));
      memcpy(to, ofHead + i * rank + column, static_cast<size_t>(width) * sizeof(float));
    }
  }
  for (int64_t first = 0; first < count; first += tileRows) {
    const int64_t here = least<int64_t>(tileRows, count - first);
    for (int64_t token = 0; token < here; token++) {
      const T* from = rows + (first + token) * tokenStride;
      float* to = widened + token * features;
      eachVector(
          features, [&](int64_t i) { store(to + i, load(from + i)); },
          [&](int64_t i, int64_t left) { storePart(to + i, loadPart(from + i, left), left); });
    }
    for (int64_t column = 0; column < rank; column += tileColumns) {
      const int64_t width = least<int64_t>(tileColumns, rank - column);
      const auto project = [&](auto vectors) {
        eachTile<tileRows>(here, [&](int64_t token, auto tile) {
          constexpr int height = decltype(tile)::of;
          f32v sum[height][decltype(vectors)::of] = {};
          multiply(RowMajor<float>{widened + token * features, features}, Panel<tileColumns>{panels + column * features},
                   features, sum);
          for (int r = 0; r < height; r++) {
            float* to = out + (first + token + r) * rank + column;
            eachVector(
                width, [&](int64_t i) { store(to + i, sum[r][i / lanes]); },
                [&](int64_t i, int64_t left) { storePart(to + i, sum[r][i / lanes], left); });
          }
        });
      };
      // Real heads take 8 dimensions: half of a tile would be multiplied for nothing.
      if (width <= lanes) {
        project(Constant<1>{});
      } else {
        project(Constant<tileVectors>{});
      }
    }
  }
}

}  // namespace FLASHMLA_ARCHITECTURE
}  // namespace flashmla
