// sparse-attention-gradient by query: weights of the selected keys and of the groups, and queryGradient; see
// sparse-gradient.hpp.
//
// As in the forward pass queries lie side by side, S[column][queries], where they share a list; with a list for each, the
// groups, which all see, are one product for sixteen of them, and the listed keys are read row by row.

#pragma once

#include "sparse-gradient.hpp"
#include "sparse-lists.hpp"

namespace flashmla {
namespace FLASHMLA_ARCHITECTURE {

/** The queries of a task. */
struct QueryChunk {
  const SparseGradientHead& head;
  int64_t first, count;
  /** [chunkWidth][paddedDim] */
  float *queries, *flowing;
  /** [paddedDim][chunkWidth] */
  float *queryColumns, *flowingColumns;
  /** Of each of chunkWidth queries; those that are not there have the weight 0. */
  float *logScales, *along;
  int32_t* limits;
  /** [chunkWidth][paddedDim] */
  float* gradient;

  QueryChunk(const SparseGradientHead& of, int64_t chunk, Scratch& memory) : head(of) {
    const SparseGradientArguments& g = head.g;
    const AttentionArguments<float>& a = g.attention;
    const int64_t width = g.chunkWidth;
    first = chunk * g.chunkQueries;
    count = least(g.chunkQueries, a.queries - first);
    float** const matrices[] = {&queries, &flowing, &queryColumns, &flowingColumns, &gradient};
    for (float** matrix : matrices) *matrix = memory.take<float>(width * g.dim);
    logScales = memory.take<float>(width);
    along = memory.take<float>(width);
    limits = memory.take<int32_t>(width);
    for (int64_t lane = 0; lane < width; lane++) {
      const bool there = lane < count;
      const int64_t query = there ? head.queryAt(first + lane) : 0;
      const int64_t at = query * a.queryToken;
      copyRow(there ? head.queries + at : nullptr, a.headDim, g.dim, a.scale, queries + lane * g.dim);
      copyRow(there ? head.flowing + at : nullptr, a.headDim, g.dim, 1, flowing + lane * g.dim);
      logScales[lane] = there ? head.logScale(query) : infinity;
      along[lane] = there ? head.along(query) : 0;
      limits[lane] = static_cast<int32_t>(a.causal ? query + a.keys - a.queries : a.keys);
    }
    for (int64_t lane = 0; lane < width; lane += tileLanes) {
      for (int64_t column = 0; column < g.dim; column += tileLanes) {
        const int64_t from = lane * g.dim + column;
        const int64_t to = column * width + lane;
        transpose16(queries + from, g.dim, queryColumns + to, width);
        transpose16(flowing + from, g.dim, flowingColumns + to, width);
      }
    }
  }

  /** to [rows][chunkWidth] = rows · queries, of rows that are paddedDim wide */
  void multiplyRows(const float* rows, int64_t rowCount, const float* columns, float* to) const {
    const int64_t dim = head.g.dim;
    const int64_t width = head.g.chunkWidth;
    addProduct<true>(
        rowCount, width, head.a.headDim, [&](int64_t row) { return RowMajor<float>{rows + row * dim, dim}; },
        [&](int64_t column) { return Strided<>{columns + column, width}; }, to, width);
  }

  /**
   * b and a of each group, in place of the sums of logits and slopes over what was not selected of it; `left` counts that.
   * All are [groupRows][chunkWidth].
   */
  void weighGroups(const float* left, float* slopes, float* weights) const {
    const int64_t width = head.g.chunkWidth;
    for (int64_t i = 0; i < head.g.groupRows * width; i += lanes) {
      const f32v n = load(left + i);
      const f32v share = 1.0f / larger(splat(1.0f), n);
      const f32v b = exp(load(weights + i) * share - load(logScales + i % width));
      const f32v a = b * (load(slopes + i) * share - load(along + i % width));
      store(weights + i, n > 0.0f ? b : f32v{});
      store(slopes + i, n > 0.0f ? a : f32v{});
    }
  }

  /** Adds Σ_groups a · Σ_group k, and writes the rows. */
  void finish(const float* groupSlopes) const {
    const int64_t dim = head.g.dim;
    const int64_t width = head.g.chunkWidth;
    addProduct<false>(
        count, dim, head.g.groupRows, [&](int64_t row) { return ColumnMajor{groupSlopes + row, width}; },
        [&](int64_t column) { return Strided<>{head.keySums + column, dim}; }, gradient, dim);
    for (int64_t i = 0; i < count; i++) {
      writeRow(gradient + i * dim, head.a.headDim, head.a.scale, head.ofQueries + head.queryAt(first + i) * head.a.queryToken);
    }
  }
};

/**
 * A task is a tile of a head.
 * scratch: QueryChunk; int32 slots + 1 entries, columns keys; float groupRows × chunkWidth; float columns × paddedDim twice
 */
inline void sparseTileGradient(const double* arguments, int64_t task, char* scratch) {
  const SparseGradientArguments g{Words(arguments)};
  const AttentionArguments<float>& a = g.attention;
  const SparseGradientHead head(g, task / g.tiles);
  const int64_t tile = task % g.tiles;
  const int64_t width = g.tileWidth;
  Scratch memory(scratch);
  const QueryChunk chunk(head, tile, memory);
  int32_t* entries = memory.take<int32_t>(g.slots + 1);
  int32_t* columnKeys = memory.take<int32_t>(g.columns);
  float* left = memory.take<float>(g.groupRows * width);
  float* keyRows = memory.take<float>(g.columns * g.dim);
  float* valueRows = memory.take<float>(g.columns * g.dim);
  const int64_t columns = head.readTile(tile, entries) * a.blockKeys;
  const auto positionOf = [&](int64_t c) { return entries[c / a.blockKeys] * a.blockKeys + c % a.blockKeys; };
  for (int64_t c = 0; c < columns; c++) {
    const int64_t key = head.keyAt(positionOf(c));
    columnKeys[c] = static_cast<int32_t>(key);
    copyRow(head.keyRow(key), a.headDim, g.dim, 1, keyRows + c * g.dim);
    copyRow(head.valueRow(key), a.headDim, g.dim, 1, valueRows + c * g.dim);
  }

  float* slopes = head.weightsOf(tile);
  float* weights = slopes + g.columns * width;
  chunk.multiplyRows(keyRows, columns, chunk.queryColumns, weights);
  chunk.multiplyRows(valueRows, columns, chunk.flowingColumns, slopes);
  float* groupSlopes = head.groupWeightsOf(tile);
  float* groupWeights = groupSlopes + g.groupRows * width;
  const auto subtract = [&](float* from, const float* row) {
    for (int64_t i = 0; i < width; i += lanes) store(from + i, load(from + i) - load(row + i));
  };
  /** Where the groups' rows have that of a column. */
  const auto groupAt = [&](int64_t c) { return positionOf(c) / a.residualGroup * width; };
  if (g.groupRows > 0) {
    chunk.multiplyRows(head.keySums, g.groupRows, chunk.queryColumns, groupWeights);
    chunk.multiplyRows(head.valueSums, g.groupRows, chunk.flowingColumns, groupSlopes);
    for (int64_t i = 0; i < g.groupRows * width; i++) left[i] = head.counts[i / width];
    for (int64_t c = 0; c < columns; c++) {
      if (columnKeys[c] < 0) continue;
      for (int64_t i = groupAt(c); i < groupAt(c) + width; i++) left[i] -= 1;
      subtract(groupWeights + groupAt(c), weights + c * width);
      subtract(groupSlopes + groupAt(c), slopes + c * width);
    }
    chunk.weighGroups(left, groupSlopes, groupWeights);
  }
  for (int64_t c = 0; c < columns; c++) {
    const i32v key = splat(columnKeys[c]);
    for (int64_t i = 0; i < width; i += lanes) {
      const int64_t at = c * width + i;
      const f32v p = exp(load(weights + at) - load(chunk.logScales + i));
      const i32v seen = columnKeys[c] < 0 ? i32v{} : key <= loadVector<i32v>(chunk.limits + i);
      store(weights + at, select(seen, p, f32v{}));
      store(slopes + at, select(seen, p * (load(slopes + at) - load(chunk.along + i)), f32v{}));
    }
    if (g.groupRows == 0 || columnKeys[c] < 0) continue;
    subtract(weights + c * width, groupWeights + groupAt(c));
    subtract(slopes + c * width, groupSlopes + groupAt(c));
  }
  addProduct<true>(
      chunk.count, g.dim, columns, [&](int64_t row) { return ColumnMajor{slopes + row, width}; },
      [&](int64_t column) { return Strided<>{keyRows + column, g.dim}; }, chunk.gradient, g.dim);
  chunk.finish(groupSlopes);
}

/**
 * A task is 16 queries of a head.
 * scratch: QueryChunk; int32 slots + 1 entries; float groupRows × 16; PaddedRows of columns
 */
inline void sparseListGradient(const double* arguments, int64_t task, char* scratch) {
  const SparseGradientArguments g{Words(arguments)};
  const AttentionArguments<float>& a = g.attention;
  const SparseGradientHead head(g, task / g.chunks);
  Scratch memory(scratch);
  const QueryChunk chunk(head, task % g.chunks, memory);
  int32_t* entries = memory.take<int32_t>(g.slots + 1);
  float* left = memory.take<float>(g.groupRows * tileLanes);
  const auto rows = PaddedRows<float>::take(a.headDim, memory, g.columns);
  float* groupSlopes = head.groupWeightsOf(task % g.chunks);
  float* groupWeights = groupSlopes + g.groupRows * tileLanes;
  /** Calls `body(column, key, place of its group's part)` for the keys of a query's list, −1 among them, and counts them. */
  const auto eachKey = [&](int64_t lane, auto body) {
    const int64_t columns = head.readTile(chunk.first + lane, entries) * a.blockKeys;
    for (int64_t c = 0; c < columns; c++) {
      const int64_t position = entries[c / a.blockKeys] * a.blockKeys + c % a.blockKeys;
      const int64_t key = head.keyAt(position);
      body(c, key > chunk.limits[lane] ? -1 : key, g.groupRows > 0 ? position / a.residualGroup * tileLanes + lane : 0);
    }
    return columns;
  };

  if (g.groupRows > 0) {
    chunk.multiplyRows(head.keySums, g.groupRows, chunk.queryColumns, groupWeights);
    chunk.multiplyRows(head.valueSums, g.groupRows, chunk.flowingColumns, groupSlopes);
    for (int64_t i = 0; i < g.groupRows * tileLanes; i++) left[i] = head.counts[i / tileLanes];
  }
  for (int64_t lane = 0; lane < chunk.count; lane++) {
    float* slopes = head.weightsOf(chunk.first + lane);
    float* weights = slopes + g.columns;
    eachKey(lane, [&](int64_t c, int64_t key, int64_t group) {
      // With no key, the weight e^−∞.
      weights[c] = key < 0 ? -infinity : dotRow(chunk.queries + lane * g.dim, head.keyRow(key), a.headDim);
      slopes[c] = key < 0 ? 0 : dotRow(chunk.flowing + lane * g.dim, head.valueRow(key), a.headDim);
      if (g.groupRows == 0 || key < 0) return;
      left[group] -= 1;
      groupWeights[group] -= weights[c];
      groupSlopes[group] -= slopes[c];
    });
  }
  if (g.groupRows > 0) chunk.weighGroups(left, groupSlopes, groupWeights);
  for (int64_t lane = 0; lane < chunk.count; lane++) {
    float* slopes = head.weightsOf(chunk.first + lane);
    float* weights = slopes + g.columns;
    const int64_t columns = eachKey(lane, [&](int64_t c, int64_t key, int64_t) { rows.set(c, head.keyRow(key)); });
    eachRowVector(columns, [&](auto read, auto write) {
      const f32v p = exp(read(weights) - chunk.logScales[lane]);
      write(weights, p);
      write(slopes, p * (read(slopes) - chunk.along[lane]));
    });
    if (g.groupRows > 0) {
      eachKey(lane, [&](int64_t c, int64_t key, int64_t group) {
        if (key < 0) return;
        weights[c] -= groupWeights[group];
        slopes[c] -= groupSlopes[group];
      });
    }
    addProduct<true, 1, lanes == 8 ? 8 : 16>(
        1, g.dim, columns, [&](int64_t) { return RowMajor<float>{slopes, 0}; },
        [&](int64_t column) { return Scattered<float>{rows.rows, column}; }, chunk.gradient + lane * g.dim, g.dim);
  }
  chunk.finish(groupSlopes);
}

}  // namespace FLASHMLA_ARCHITECTURE
}  // namespace flashmla
