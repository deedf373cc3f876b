// sparse-attention-gradient: its arguments, and the steps around the queries' (sparse-query-gradients.hpp).
//
// A head's weights are kept while it is worked on, one pair for each query and selected key: O(N·K), and so is all work.
// With a and b of a group and ds and p of a selected key as the op's declaration has them, the sums over keys that were not
// selected are sums over whole groups, once the weights of the selected keys are A = ds − a and B = p − b:
//   queryGradientᵢ = scale · (Σ_selected A·kⱼ + Σ_groups a · Σ_group kⱼ)
//   keyGradientⱼ   = scale · (Σ_selecting A·qᵢ + Σ_all i a·qᵢ), valueGradientⱼ the same with B, b and outputGradient.
//
// Steps of a pass: the groups' sums (sparseGroupSums); weights and queryGradient (sparseTileGradient or sparseListGradient);
// which tiles selected a block (sparseBlockLists); a·q and b·outputGradient, by group (sparseGroupGradient); keyGradient and
// valueGradient, by block (sparseKeyGradient). Each sum is made by one task in the order of the queries, or of the list.

#pragma once

#include "attention-gradient.hpp"
#include "sparse-attention.hpp"

namespace flashmla {
namespace FLASHMLA_ARCHITECTURE {

/** Groups of a task of sparseGroupGradient. */
constexpr int64_t gradientGroups = 4;
/** Keys of a task of sparseKeyGradient, in whole blocks, one at least. */
constexpr int64_t gradientTaskKeys = 16;
/** Queries, or more if a tile has more, that sparseKeyGradient sums over at a time. */
constexpr int64_t gradientDepth = 256;

struct SparseGradientArguments {
  GradientTensors tensors;
  /** Of each head of a pass: [groupRows], and [groupRows][paddedDim] twice. */
  float *groupCounts, *groupKeys, *groupValues;
  /** Of each head: [tiles][2][columns][lane count of a tile], A then B. */
  float* weights;
  /** Of each head: [chunks][2][groupRows][lane count of a chunk], a then b. */
  float* groupWeights;
  /** Of each head: where each block's items begin, [blocks + 1], then items: tile · slots + entry. */
  int32_t* lists;
  /** Of each head: Σ a·q and Σ b·outputGradient, [2][groupRows][paddedDim]. */
  float* groupGradients;
  int64_t groups;
  /** groups rounded up to a multiple of 16, or 0. */
  int64_t groupRows;
  AttentionArguments<float> attention;
  int64_t dim, tiles, blocks, slots, columns;
  /** Queries of a tile in the weights: 1 of a list, or rounded up to a multiple of 16. */
  int64_t tileWidth;
  /** Queries that a task takes: those of a tile, or of 16 lists; and in the groups' weights. */
  int64_t chunkQueries, chunkWidth, chunks;

  explicit SparseGradientArguments(Words words)
      : tensors(words),
        groupCounts(words.pointer<float>()),
        groupKeys(words.pointer<float>()),
        groupValues(words.pointer<float>()),
        weights(words.pointer<float>()),
        groupWeights(words.pointer<float>()),
        lists(words.pointer<int32_t>()),
        groupGradients(words.pointer<float>()),
        groups(words.integer()),
        groupRows(words.integer()),
        attention(words.rest()) {
    const AttentionArguments<float>& a = attention;
    dim = a.paddedDim();
    tiles = ceilDivide(a.queries, a.tileQueries);
    blocks = ceilDivide(a.keys, a.blockKeys);
    slots = least(a.slots, blocks);
    columns = slots * a.blockKeys;
    tileWidth = a.tileQueries == 1 ? 1 : roundUp(a.tileQueries, tileLanes);
    chunkQueries = a.tileQueries == 1 ? tileLanes : a.tileQueries;
    chunkWidth = roundUp(chunkQueries, tileLanes);
    chunks = ceilDivide(a.queries, chunkQueries);
  }
};

/** A head, and what is kept of it. */
struct SparseGradientHead : GradientHead {
  const SparseGradientArguments& g;
  float *counts, *keySums, *valueSums, *weights, *chunkWeights;
  int32_t* starts;
  int32_t* items;
  float* groupGradients;

  SparseGradientHead(const SparseGradientArguments& arguments, int64_t index)
      : GradientHead(arguments.attention, arguments.tensors, index), g(arguments) {
    counts = g.groupCounts + index * g.groupRows;
    keySums = g.groupKeys + index * g.groupRows * g.dim;
    valueSums = g.groupValues + index * g.groupRows * g.dim;
    weights = g.weights + index * g.tiles * 2 * g.columns * g.tileWidth;
    chunkWeights = g.groupWeights + index * g.chunks * 2 * g.groupRows * g.chunkWidth;
    starts = g.lists + index * (g.blocks + 1 + g.tiles * g.slots);
    items = starts + g.blocks + 1;
    groupGradients = g.groupGradients + index * 2 * g.groupRows * g.dim;
  }

  float* weightsOf(int64_t tile) const { return weights + tile * 2 * g.columns * g.tileWidth; }
  float* groupWeightsOf(int64_t chunk) const { return chunkWeights + chunk * 2 * g.groupRows * g.chunkWidth; }
  int64_t readTile(int64_t tile, int32_t* entries) const {
    return readEntries(a.indices + (row * g.tiles + tile) * a.slots, a.slots, g.blocks, entries);
  }
};

/** The sums of a group's present keys and of their values, and how many there are; a task is a group of a head. */
inline void sparseGroupSums(const double* arguments, int64_t task, char*) {
  const SparseGradientArguments g{Words(arguments)};
  const SparseGradientHead head(g, task / g.groupRows);
  const int64_t group = task % g.groupRows;
  float* keySum = head.keySums + group * g.dim;
  float* valueSum = head.valueSums + group * g.dim;
  memset(keySum, 0, static_cast<size_t>(g.dim) * sizeof(float));
  memset(valueSum, 0, static_cast<size_t>(g.dim) * sizeof(float));
  head.counts[group] = static_cast<float>(addGroup<float>(head, group, keySum, valueSum));
}

/** Which tiles selected each block, ascending; a task is a head. scratch: int32 slots + 1 entries, blocks next places */
inline void sparseBlockLists(const double* arguments, int64_t task, char* scratch) {
  const SparseGradientArguments g{Words(arguments)};
  const SparseGradientHead head(g, task);
  Scratch memory(scratch);
  int32_t* entries = memory.take<int32_t>(g.slots + 1);
  int32_t* next = memory.take<int32_t>(g.blocks);
  memset(head.starts, 0, static_cast<size_t>(g.blocks + 1) * sizeof(int32_t));
  for (int64_t tile = 0; tile < g.tiles; tile++) {
    const int64_t count = head.readTile(tile, entries);
    for (int64_t e = 0; e < count; e++) head.starts[entries[e] + 1]++;
  }
  for (int64_t block = 0; block < g.blocks; block++) head.starts[block + 1] += head.starts[block];
  memcpy(next, head.starts, static_cast<size_t>(g.blocks) * sizeof(int32_t));
  for (int64_t tile = 0; tile < g.tiles; tile++) {
    const int64_t count = head.readTile(tile, entries);
    for (int64_t e = 0; e < count; e++) head.items[next[entries[e]]++] = static_cast<int32_t>(tile * g.slots + e);
  }
}

/**
 * Σ a·q and Σ b·outputGradient over all queries; a task is gradientGroups groups of a head.
 * scratch: PaddedRows of chunkQueries
 */
inline void sparseGroupGradient(const double* arguments, int64_t task, char* scratch) {
  const SparseGradientArguments g{Words(arguments)};
  const AttentionArguments<float>& a = g.attention;
  const int64_t tasks = ceilDivide(g.groups, gradientGroups);
  const SparseGradientHead head(g, task / tasks);
  const int64_t first = task % tasks * gradientGroups;
  const int64_t count = least(gradientGroups, g.groups - first);
  Scratch memory(scratch);
  const auto rows = PaddedRows<float>::take(a.headDim, memory, g.chunkQueries);
  const auto addRows = [&](int64_t chunk, const float* matrix, int64_t part) {
    const int64_t start = chunk * g.chunkQueries;
    const int64_t queries = least(g.chunkQueries, a.queries - start);
    for (int64_t i = 0; i < queries; i++) rows.set(i, matrix + head.queryAt(start + i) * a.queryToken);
    const float* weights = head.groupWeightsOf(chunk) + (part * g.groupRows + first) * g.chunkWidth;
    addProduct<false, gradientGroups, lanes == 8 ? 2 : 4>(
        count, g.dim, queries, [&](int64_t row) { return RowMajor<float>{weights + row * g.chunkWidth, g.chunkWidth}; },
        [&](int64_t column) { return Scattered<float>{rows.rows, column}; },
        head.groupGradients + (part * g.groupRows + first) * g.dim, g.dim);
  };
  for (int64_t part = 0; part < 2; part++) {
    memset(head.groupGradients + (part * g.groupRows + first) * g.dim, 0, static_cast<size_t>(count * g.dim) * sizeof(float));
    for (int64_t chunk = 0; chunk < g.chunks; chunk++) addRows(chunk, part == 0 ? head.queries : head.flowing, part);
  }
}

/** What flows to a block's keys and values from the queries that selected it. */
struct BlockSums {
  const SparseGradientHead& head;
  /** Queries that are summed over at a time. */
  int64_t depth;
  PaddedRows<float> queries;
  PaddedRows<float> flowing;
  /** [blockKeys][depth] */
  float *slopes, *weights;
  /** [blockKeys][paddedDim] */
  float *ofKeys, *ofValues;

  static BlockSums take(const SparseGradientHead& head, Scratch& memory) {
    const AttentionArguments<float>& a = head.a;
    const int64_t depth = most(gradientDepth, a.tileQueries);
    const auto queries = PaddedRows<float>::take(a.headDim, memory, depth);
    const auto flowing = PaddedRows<float>::take(a.headDim, memory, depth);
    float* slopes = memory.take<float>(a.blockKeys * depth);
    float* weights = memory.take<float>(a.blockKeys * depth);
    float* ofKeys = memory.take<float>(a.blockKeys * head.g.dim);
    return {head, depth, queries, flowing, slopes, weights, ofKeys, memory.take<float>(a.blockKeys * head.g.dim)};
  }

  void sum(int64_t block) const {
    const SparseGradientArguments& g = head.g;
    const AttentionArguments<float>& a = g.attention;
    memset(ofKeys, 0, static_cast<size_t>(a.blockKeys * g.dim) * sizeof(float));
    memset(ofValues, 0, static_cast<size_t>(a.blockKeys * g.dim) * sizeof(float));
    int64_t count = 0;
    for (int64_t item = head.starts[block]; item < head.starts[block + 1]; item++) {
      const int64_t tile = head.items[item] / g.slots;
      const int64_t first = tile * a.tileQueries;
      const int64_t added = least(a.tileQueries, a.queries - first);
      if (count + added > depth) {
        add(count);
        count = 0;
      }
      for (int64_t i = 0; i < added; i++) {
        const int64_t at = head.queryAt(first + i) * a.queryToken;
        queries.set(count + i, head.queries + at);
        flowing.set(count + i, head.flowing + at);
      }
      const float* from = head.weightsOf(tile) + head.items[item] % g.slots * a.blockKeys * g.tileWidth;
      for (int64_t key = 0; key < a.blockKeys; key++) {
        const size_t bytes = static_cast<size_t>(added) * sizeof(float);
        memcpy(slopes + key * depth + count, from + key * g.tileWidth, bytes);
        memcpy(weights + key * depth + count, from + (g.columns + key) * g.tileWidth, bytes);
      }
      count += added;
    }
    add(count);
  }

 private:
  void add(int64_t count) const {
    addTo(ofKeys, slopes, queries, count);
    addTo(ofValues, weights, flowing, count);
  }
  void addTo(float* to, const float* factors, const PaddedRows<float>& rows, int64_t count) const {
    const auto factorsAt = [&](int64_t key) { return RowMajor<float>{factors + key * depth, depth}; };
    const auto rowsAt = [&](int64_t column) { return Scattered<float>{rows.rows, column}; };
    const int64_t dim = head.g.dim;
    if (head.a.blockKeys == 1) {
      // One row alone is many sums wide.
      addProduct<false, 1, lanes == 8 ? 8 : 16>(1, dim, count, factorsAt, rowsAt, to, dim);
    } else {
      addProduct<false>(head.a.blockKeys, dim, count, factorsAt, rowsAt, to, dim);
    }
  }
};

/**
 * keyGradient and valueGradient of some blocks of a head; a task is gradientTaskKeys keys or a block.
 * scratch, with depth = gradientDepth or tileQueries if that is more: PaddedRows of depth twice; float blockKeys × depth
 * twice, blockKeys × paddedDim twice
 */
inline void sparseKeyGradient(const double* arguments, int64_t task, char* scratch) {
  const SparseGradientArguments g{Words(arguments)};
  const AttentionArguments<float>& a = g.attention;
  const int64_t taskBlocks = most<int64_t>(1, gradientTaskKeys / a.blockKeys);
  const int64_t tasks = ceilDivide(g.blocks, taskBlocks);
  const SparseGradientHead head(g, task / tasks);
  Scratch memory(scratch);
  const BlockSums sums = BlockSums::take(head, memory);
  const int64_t first = task % tasks * taskBlocks;
  for (int64_t block = first; block < least(first + taskBlocks, g.blocks); block++) {
    sums.sum(block);
    for (int64_t i = 0; i < least(a.blockKeys, a.keys - block * a.blockKeys); i++) {
      const int64_t position = block * a.blockKeys + i;
      const int64_t key = head.keyOrder ? head.keyOrder[position] : position;
      float* ofKey = head.ofKeys + key * a.keyToken;
      float* ofValue = head.ofValues + key * a.keyToken;
      if (head.keyAt(position) < 0) {
        memset(ofKey, 0, static_cast<size_t>(a.headDim) * sizeof(float));
        memset(ofValue, 0, static_cast<size_t>(a.headDim) * sizeof(float));
        continue;
      }
      float* keySum = sums.ofKeys + i * g.dim;
      float* valueSum = sums.ofValues + i * g.dim;
      if (g.groupRows > 0) {
        const float* ofGroup = head.groupGradients + position / a.residualGroup * g.dim;
        addRow(keySum, ofGroup, g.dim);
        addRow(valueSum, ofGroup + g.groupRows * g.dim, g.dim);
      }
      writeRow(keySum, a.headDim, a.scale, ofKey);
      writeRow(valueSum, a.headDim, 1, ofValue);
    }
  }
}

}  // namespace FLASHMLA_ARCHITECTURE
}  // namespace flashmla
