// dense-attention-gradient: tiles of queries against tiles of keys; probabilities are computed again from lse (Dao et al.,
// arXiv 2205.14135) and never leave a tile.
//
// A task owns a segment of a head's keys, and what flows to them. It goes through all queries: of each tile it keeps what
// flows to it from the segment, which is all if there is one segment, or else a part that denseGradientSums adds to the
// others, in their order. Segments are as large as they may be for their keys, values and gradients to stay in the second
// level of cache, but few enough for all parts together to be a small multiple of queryGradient. How keys are cut is a matter
// of the problem only, so the bits are those of any number of threads.

#pragma once

#include "attention-gradient.hpp"

namespace flashmla {
namespace FLASHMLA_ARCHITECTURE {

/** Queries and keys of a tile. */
constexpr int64_t gradientQueries = 48;
constexpr int64_t gradientKeys = 64;

struct DenseGradientArguments {
  GradientTensors tensors;
  /** [heads of a pass][segments][queries][headDim], where there are several segments. */
  float* parts;
  int64_t segments, segmentKeys;
  AttentionArguments<float> attention;

  explicit DenseGradientArguments(Words words)
      : tensors(words),
        parts(words.pointer<float>()),
        segments(words.integer()),
        segmentKeys(words.integer()),
        attention(words.rest()) {}
};

/** A segment of keys: packed, and what flows to them. Rows are paddedDim wide. */
struct KeySegment {
  int64_t first, count;
  /** count rounded up to whole tiles. */
  int64_t rows;
  float* keys;
  /** [tiles][paddedDim][gradientKeys] */
  float* keyColumns;
  float* valueColumns;
  float* ofKeys;
  float* ofValues;
  /** What is added to a key's logits: 0, or −∞ where it is absent. */
  float* hidden;

  KeySegment(const GradientHead& head, int64_t start, int64_t most, Scratch& memory) {
    const int64_t headDim = head.a.headDim;
    const int64_t dim = head.a.paddedDim();
    first = start;
    count = least(most, head.a.keys - start);
    rows = roundUp(count, gradientKeys);
    float** const matrices[] = {&keys, &keyColumns, &valueColumns, &ofKeys, &ofValues};
    for (float** matrix : matrices) *matrix = memory.take<float>(most * dim);
    hidden = memory.take<float>(most);
    // What flows to values is not summed yet: the values lie in its place until their columns are packed.
    for (int64_t i = 0; i < rows; i++) {
      const int64_t key = i < count ? head.keyAt(first + i) : -1;
      hidden[i] = key < 0 ? -infinity : 0;
      copyRow(head.keyRow(key), headDim, dim, 1, keys + i * dim);
      copyRow(head.valueRow(key), headDim, dim, 1, ofValues + i * dim);
    }
    for (int64_t i = 0; i < rows; i += tileLanes) {
      const int64_t at = i / gradientKeys * gradientKeys * dim + i % gradientKeys;
      for (int64_t column = 0; column < dim; column += tileLanes) {
        transpose16(keys + i * dim + column, dim, keyColumns + at + column * gradientKeys, gradientKeys);
        transpose16(ofValues + i * dim + column, dim, valueColumns + at + column * gradientKeys, gradientKeys);
      }
    }
    memset(ofKeys, 0, static_cast<size_t>(rows * dim) * sizeof(float));
    memset(ofValues, 0, static_cast<size_t>(rows * dim) * sizeof(float));
  }
};

/** A tile of queries: [gradientQueries][paddedDim] each. */
struct QueryRows {
  int64_t first, count;
  /** Scaled. */
  float* queries;
  float* flowing;
  float* gradient;
  float logScales[gradientQueries];
  float along[gradientQueries];
};

/**
 * p and ds of a tile, from its logits and what flows into its probabilities, in place; both [rows][gradientKeys].
 *
 * @param limits the last key that each query sees, counted from the first of the tile
 */
template <bool causal>
inline void weighTile(const QueryRows& tile, const float* hidden, const int64_t* limits, float* p, float* ds) {
  i32v ordinals;
  for (int i = 0; i < lanes; i++) ordinals[i] = i;
  for (int64_t row = 0; row < tile.count; row++) {
    for (int64_t i = 0; i < gradientKeys; i += lanes) {
      const int64_t at = row * gradientKeys + i;
      f32v weight = exp(load(p + at) + load(hidden + i) - tile.logScales[row]);
      if (causal) weight = ordinals + static_cast<int32_t>(i) > static_cast<int32_t>(limits[row]) ? f32v{} : weight;
      store(p + at, weight);
      store(ds + at, weight * (load(ds + at) - tile.along[row]));
    }
  }
}

/**
 * A task is a segment of a head.
 * scratch: float 5 × segmentKeys × paddedDim, segmentKeys; 3 × gradientQueries × paddedDim, 2 × gradientQueries × gradientKeys
 */
inline void denseGradient(const double* arguments, int64_t task, char* scratch) {
  const DenseGradientArguments g{Words(arguments)};
  const AttentionArguments<float>& a = g.attention;
  const int64_t dim = a.paddedDim();
  const GradientHead head(a, g.tensors, task / g.segments);
  Scratch memory(scratch);
  const KeySegment segment(head, task % g.segments * g.segmentKeys, g.segmentKeys, memory);
  QueryRows tile;
  tile.queries = memory.take<float>(gradientQueries * dim);
  tile.flowing = memory.take<float>(gradientQueries * dim);
  tile.gradient = memory.take<float>(gradientQueries * dim);
  float* p = memory.take<float>(gradientQueries * gradientKeys);
  float* ds = memory.take<float>(gradientQueries * gradientKeys);

  for (tile.first = 0; tile.first < a.queries; tile.first += gradientQueries) {
    tile.count = least(gradientQueries, a.queries - tile.first);
    for (int64_t i = 0; i < tile.count; i++) {
      const int64_t query = tile.first + i;
      copyRow(head.queries + query * a.queryToken, a.headDim, dim, a.scale, tile.queries + i * dim);
      copyRow(head.flowing + query * a.queryToken, a.headDim, dim, 1, tile.flowing + i * dim);
      tile.logScales[i] = head.logScale(query);
      tile.along[i] = head.along(query);
    }
    memset(tile.gradient, 0, static_cast<size_t>(tile.count * dim) * sizeof(float));
    const auto queriesAt = [&](int64_t row) { return RowMajor<float>{tile.queries + row * dim, dim}; };
    const auto flowingAt = [&](int64_t row) { return RowMajor<float>{tile.flowing + row * dim, dim}; };
    const auto rowsOf = [&](const float* rows) { return [=](int64_t column) { return Strided<>{rows + column, dim}; }; };
    for (int64_t first = 0; first < segment.rows; first += gradientKeys) {
      // Counted from the first key of the tile.
      const int64_t firstLimit = a.causal ? tile.first + a.keys - a.queries - segment.first - first : gradientKeys;
      if (a.causal && firstLimit + tile.count - 1 < 0) break;
      const auto columnsOf = [&](const float* columns) {
        return [=](int64_t column) { return Panel<gradientKeys>{columns + first * dim + column}; };
      };
      addProduct<true>(tile.count, gradientKeys, a.headDim, queriesAt, columnsOf(segment.keyColumns), p, gradientKeys);
      addProduct<true>(tile.count, gradientKeys, a.headDim, flowingAt, columnsOf(segment.valueColumns), ds, gradientKeys);
      if (firstLimit < gradientKeys - 1) {
        int64_t limits[gradientQueries];
        for (int64_t i = 0; i < tile.count; i++) limits[i] = firstLimit + i;
        weighTile<true>(tile, segment.hidden + first, limits, p, ds);
      } else {
        weighTile<false>(tile, segment.hidden + first, nullptr, p, ds);
      }
      const auto rowsAt = [&](int64_t row) { return RowMajor<float>{ds + row * gradientKeys, gradientKeys}; };
      const auto weightsAt = [&](int64_t key) { return DepthMajor<gradientKeys>{p + key}; };
      const auto slopesAt = [&](int64_t key) { return DepthMajor<gradientKeys>{ds + key}; };
      const int64_t at = first * dim;
      addProduct<false>(tile.count, dim, gradientKeys, rowsAt, rowsOf(segment.keys + at), tile.gradient, dim);
      addProduct<false>(gradientKeys, dim, tile.count, weightsAt, rowsOf(tile.flowing), segment.ofValues + at, dim);
      addProduct<false>(gradientKeys, dim, tile.count, slopesAt, rowsOf(tile.queries), segment.ofKeys + at, dim);
    }
    for (int64_t i = 0; i < tile.count; i++) {
      const int64_t query = tile.first + i;
      float* to = g.segments > 1 ? g.parts + (task * a.queries + query) * a.headDim : head.ofQueries + query * a.queryToken;
      writeRow(tile.gradient + i * dim, a.headDim, a.scale, to);
    }
  }
  for (int64_t i = 0; i < segment.count; i++) {
    const int64_t to = (segment.first + i) * a.keyToken;
    writeRow(segment.ofKeys + i * dim, a.headDim, 1, head.ofKeys + to);
    writeRow(segment.ofValues + i * dim, a.headDim, 1, head.ofValues + to);
  }
}

/** Adds up the segments' parts of queryGradient; a task is 16 queries of a head. */
inline void denseGradientSums(const double* arguments, int64_t task, char*) {
  const DenseGradientArguments g{Words(arguments)};
  const AttentionArguments<float>& a = g.attention;
  const int64_t tasks = ceilDivide(a.queries, tileLanes);
  const int64_t index = task / tasks;
  const GradientHead head(a, g.tensors, index);
  const int64_t first = task % tasks * tileLanes;
  for (int64_t query = first; query < least<int64_t>(first + tileLanes, a.queries); query++) {
    float* to = head.ofQueries + query * a.queryToken;
    for (int64_t segment = 0; segment < g.segments; segment++) {
      const float* part = g.parts + ((index * g.segments + segment) * a.queries + query) * a.headDim;
      if (segment == 0) {
        writeRow(part, a.headDim, 1, to);
      } else {
        addRow(to, part, a.headDim);
      }
    }
  }
}

}  // namespace FLASHMLA_ARCHITECTURE
}  // namespace flashmla
