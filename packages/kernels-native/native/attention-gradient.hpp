// What the gradients of dense and sparse attention share: their arguments, rows and products.

#pragma once

#include "attention.hpp"

namespace flashmla {
namespace FLASHMLA_ARCHITECTURE {

/** The words that precede AttentionArguments, and what a kernel of its own reads between the two. */
struct GradientTensors {
  const float* outputGradient;
  float* queryGradient;
  float* keyGradient;
  float* valueGradient;

  explicit GradientTensors(Words& words) {
    outputGradient = words.pointer<const float>();
    queryGradient = words.pointer<float>();
    keyGradient = words.pointer<float>();
    valueGradient = words.pointer<float>();
  }
};

/** A head, and where its gradients are. */
struct GradientHead : Head<float> {
  const float* flowing;
  float* ofQueries;
  float* ofKeys;
  float* ofValues;

  GradientHead(const AttentionArguments<float>& a, const GradientTensors& tensors, int64_t index) : Head<float>(a, index) {
    const int64_t ofQuery = row / a.heads * a.queryBatch + row % a.heads * a.queryHead;
    const int64_t ofKey = row / a.heads * a.keyBatch + row % a.heads * a.keyHead;
    flowing = tensors.outputGradient + ofQuery;
    ofQueries = tensors.queryGradient + ofQuery;
    ofKeys = tensors.keyGradient + ofKey;
    ofValues = tensors.valueGradient + ofKey;
  }

  /** What e^logit is multiplied with is e^−lse: 0 for a query that sees nothing. */
  float logScale(int64_t query) const { return lse[query] == -infinity ? infinity : lse[query]; }
  /** D: how much of what flows into the output lies along it. */
  float along(int64_t query) const {
    const float* from = flowing + query * a.queryToken;
    const float* output = outputs + query * a.queryToken;
    f32v sum = {};
    eachVector(
        a.headDim, [&](int64_t i) { sum = multiplyAdd(load(from + i), load(output + i), sum); },
        [&](int64_t i, int64_t left) { sum = multiplyAdd(loadPart(from + i, left), loadPart(output + i, left), sum); });
    return sumLanes(sum);
  }
};

/** to[0 … headDim) = factor · row */
FLASHMLA_INLINE void writeRow(const float* row, int64_t headDim, float factor, float* to) {
  eachVector(
      headDim, [&](int64_t i) { store(to + i, factor * load(row + i)); },
      [&](int64_t i, int64_t left) { storePart(to + i, factor * loadPart(row + i, left), left); });
}

/**
 * to [rows][columns] = A · B, or += where it is not `fresh`. Rows of B and `to` are padded to whole vectors.
 *
 * @param aAt A from a row on
 * @param bAt B from a column on
 */
template <bool fresh, int mostRows = tileRows, int mostVectors = tileVectors, typename A, typename B>
inline void addProduct(int64_t rows, int64_t columns, int64_t depth, A aAt, B bAt, float* to, int64_t stride) {
  for (int64_t column = 0; column < columns; column += mostVectors * lanes) {
    eachTile<mostVectors>(least<int64_t>(mostVectors, (columns - column) / lanes), [&](int64_t, auto vectors) {
      eachTile<mostRows>(rows, [&](int64_t row, auto tile) {
        f32v sum[decltype(tile)::of][decltype(vectors)::of] = {};
        float* at = to + row * stride + column;
        for (int r = 0; r < decltype(tile)::of && !fresh; r++) memcpy(sum[r], at + r * stride, sizeof sum[r]);
        multiply(aAt(row), bAt(column), depth, sum);
        for (int r = 0; r < decltype(tile)::of; r++) memcpy(at + r * stride, sum[r], sizeof sum[r]);
      });
    });
  }
}

}  // namespace FLASHMLA_ARCHITECTURE
}  // namespace flashmla
