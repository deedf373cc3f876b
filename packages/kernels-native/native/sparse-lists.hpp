// sparse-attention where every query has its own list (tileQueries = 1).
//
// Sixteen neighbouring queries are one task: the residual groups, which all of them see, are one matrix product for the
// sixteen; the listed keys are read row by row from where they are.

#pragma once

#include "sparse-attention.hpp"

namespace flashmla {
namespace FLASHMLA_ARCHITECTURE {

/** query · row, for a query that is float and padded with zeros to whole vectors. */
template <typename T>
FLASHMLA_INLINE float dotRow(const float* query, const T* row, int64_t headDim) {
  f32v sum = {};
  eachVector(
      headDim, [&](int64_t i) { sum = multiplyAdd(load(query + i), load(row + i), sum); },
      [&](int64_t i, int64_t left) { sum = multiplyAdd(load(query + i), loadPart(row + i, left), sum); });
  return sumLanes(sum);
}

/**
 * A task is 16 queries of a head. With slots and columns as in sparse-tiles.hpp,
 * scratch: float 16 × headDim, 16 × paddedDim, 2 × 16, groupRows × 16 scores; float paddedDim of a query, columns logits,
 * groupRows logits; slots + 1 int32 entries; columns int32 keys, columns int32 groups; groupRows float and uint8; columns
 * pointers, paddedDim T, and columns × paddedDim T where headDim is no multiple of 16
 */
template <typename T>
void sparseLists(const double* arguments, int64_t task, char* scratch) {
  const AttentionArguments<T> a(arguments);
  const int64_t chunks = ceilDivide(a.queries, tileLanes);
  const Head<T> head(a, task / chunks);
  const int64_t blocks = ceilDivide(a.keys, a.blockKeys);
  const int64_t slots = least(a.slots, blocks);
  const int64_t mostColumns = roundUp(slots * a.blockKeys, tileLanes);
  const int64_t groupRows = a.groupRows;
  const int64_t paddedDim = a.paddedDim();

  Scratch memory(scratch);
  auto tile = QueryTile<T>::take(head, memory);
  float* groupScores = memory.take<float>(groupRows * tileLanes);
  float* query = memory.take<float>(paddedDim);
  float* logits = memory.take<float>(mostColumns);
  float* groupLogits = memory.take<float>(groupRows);
  int32_t* entries = memory.take<int32_t>(slots + 1);
  int32_t* columnKeys = memory.take<int32_t>(mostColumns);
  int32_t* columnGroups = memory.take<int32_t>(mostColumns);
  const auto groups = GroupsLeft::take(memory, groupRows);
  const auto values = PaddedRows<T>::take(a.headDim, memory, mostColumns);

  const int64_t start = task % chunks * tileLanes;
  tile.begin(start, least(start + tileLanes, a.queries));
  fillColumn(tile.maxima, 0);
  if (groupRows > 0) tile.score(head.groupKeys, groupRows / tileLanes, groupScores);
  memset(query, 0, static_cast<size_t>(paddedDim) * sizeof(float));

  for (int64_t lane = 0; lane < tile.end - tile.start; lane++) {
    const int64_t number = head.queryAt(start + lane);
    const int64_t limit = a.causal ? number + a.keys - a.queries : a.keys;
    const int64_t count = readEntries(a.indices + (head.row * a.queries + start + lane) * a.slots, a.slots, blocks, entries);
    if (groupRows > 0) {
      groups.begin(head.groupCounts, groupRows);
      for (int64_t g = 0; g < groupRows; g++) groupLogits[g] = groupScores[g * tileLanes + lane];
    }
    for (int64_t i = 0; i < a.headDim; i++) query[i] = a.scale * tile.queries[i * tileLanes + lane];
    int64_t columns = 0;
    for (int64_t e = 0; e < count; e++) {
      const int64_t first = entries[e] * a.blockKeys;
      for (int64_t i = 0; i < a.blockKeys; i++) {
        const int64_t key = head.keyAt(first + i);
        if (key < 0 || key > limit) continue;
        columnKeys[columns] = static_cast<int32_t>(key);
        columnGroups[columns] = groupRows > 0 ? static_cast<int32_t>((first + i) / a.residualGroup) : 0;
        columns++;
      }
    }
    float maximum = -infinity;
    for (int64_t c = 0; c < columns; c++) {
      logits[c] = dotRow(query, head.keyRow(columnKeys[c]), a.headDim);
      maximum = most(maximum, logits[c]);
    }
    for (int64_t c = 0; c < columns && groupRows > 0; c++) {
      const int64_t g = columnGroups[c];
      if (!groups.touched[g]) groupLogits[g] *= head.groupCounts[g];
      groups.name(g, 1);
      groupLogits[g] -= logits[c];
    }
    for (int64_t g = 0; g < groupRows; g += lanes) {
      const f32v n = load(groups.left + g);
      f32v logit = load(groupLogits + g);
      for (int i = 0; i < lanes; i++) {
        if (groups.touched[g + i]) logit[i] /= n[i];
      }
      logit = n <= 0.0f ? splat(-infinity) : logit + log(n);
      store(groupLogits + g, logit);
      maximum = most(maximum, maxLanes(logit));
    }
    if (maximum == -infinity) maximum = 0;

    // Softmax over the listed keys (rounded up to whole vectors by −∞) and the groups.
    for (int64_t c = columns; c < roundUp(columns, lanes); c++) logits[c] = -infinity;
    f32v sum = {};
    const auto exponentiate = [&](float* row, int64_t length) {
      for (int64_t i = 0; i < length; i += lanes) {
        const f32v p = exp(load(row + i) - maximum);
        store(row + i, p);
        sum += p;
      }
    };
    exponentiate(logits, columns);
    exponentiate(groupLogits, groupRows);
    tile.maxima[lane] = maximum;
    tile.denominators[lane] = sumLanes(sum);
    for (int64_t g = 0; g < groupRows; g++) {
      // A group with nothing left has weight 0 already: it is divided by 1.
      groupLogits[g] /= most(1.0f, groups.left[g]);
      groupScores[g * tileLanes + lane] = groupLogits[g];
    }
    for (int64_t c = 0; c < columns; c++) {
      if (groupRows > 0) logits[c] -= groupLogits[columnGroups[c]];
      values.set(c, head.valueRow(columnKeys[c]));
    }
    constexpr int width = lanes == 16 ? 4 : 8;
    for (int64_t column = 0; column < paddedDim; column += width * lanes) {
      eachTile<width>(least<int64_t>(width, (paddedDim - column) / lanes), [&](int64_t, auto vectors) {
        f32v sums[1][decltype(vectors)::of] = {};
        multiply(RowMajor<float>{logits, 0}, Scattered<T>{values.rows, column}, columns, sums);
        memcpy(tile.sums + lane * paddedDim + column, sums, sizeof sums);
      });
    }
  }
  tile.addValues(groupScores, [&](int64_t column) { return Strided<>{head.groupValues + column, paddedDim}; }, groupRows);
  tile.write();
}

}  // namespace FLASHMLA_ARCHITECTURE
}  // namespace flashmla
