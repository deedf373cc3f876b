// sparse-attention where several queries share a list (tileQueries > 1).
//
// The columns of a tile are its selected keys, then the residual groups. Blocks of a multiple of 16 keys are read in place
// from the packed keys; other sizes are gathered into panels of the tile's own. All columns' scores are kept, so there is no
// online softmax here: the residual needs them before any weight is final.

#pragma once

#include "sparse-attention.hpp"

namespace flashmla {
namespace FLASHMLA_ARCHITECTURE {

/**
 * A task is a tile of a head. With slots = the entries of a list, at most the blocks there are, and columns = slots ×
 * blockKeys rounded up to a multiple of 16,
 * scratch: float 16 × headDim, 16 × paddedDim, 2 × 16, (columns + groupRows) × 16 scores; slots + 1 int32 entries; columns
 * int32 keys; groupRows float and uint8; columns pointers, paddedDim T, and columns × paddedDim T where headDim is no
 * multiple of 16; columns × headDim float of gathered panels; unless wide (columns + groupRows) × 16 bfloat16, where paired
 * columns / 2 pointers
 */
template <typename T>
void sparseTiles(const double* arguments, int64_t task, char* scratch) {
  const AttentionArguments<T> a(arguments);
  const int64_t tiles = ceilDivide(a.queries, a.tileQueries);
  const Head<T> head(a, task / tiles);
  const int64_t blocks = ceilDivide(a.keys, a.blockKeys);
  const int64_t slots = least(a.slots, blocks);
  const int64_t mostColumns = roundUp(slots * a.blockKeys, tileLanes);
  const bool inPlace = a.keyRows > 0;
  const int64_t groupRows = a.groupRows;

  Scratch memory(scratch);
  auto tile = QueryTile<T>::take(head, memory);
  float* scores = memory.take<float>((mostColumns + groupRows) * tileLanes);
  int32_t* entries = memory.take<int32_t>(slots + 1);
  int32_t* columnKeys = memory.take<int32_t>(mostColumns);
  const auto groups = GroupsLeft::take(memory, groupRows);
  const auto values = PaddedRows<T>::take(a.headDim, memory, mostColumns);
  float* gathered = memory.take<float>(inPlace ? 0 : mostColumns * a.headDim);
  [[maybe_unused]] bfloat16* pairs = memory.take<bfloat16>(a.products == wideProducts ? 0 : (mostColumns + groupRows) * tileLanes);
  [[maybe_unused]] const uint32_t** valuePairs = memory.take<const uint32_t*>(a.paired() ? mostColumns / 2 : 0);
#if defined(__AMX_TILE__)
  if (a.tiled()) configureAttentionTiles();
#endif

  // Which columns there are: the same for all queries of the tile.
  const int32_t* list = a.indices + (head.row * tiles + task % tiles) * a.slots;
  const int64_t count = readEntries(list, a.slots, blocks, entries);
  int64_t columns = 0;
  const auto addColumn = [&](int64_t key) {
    columnKeys[columns] = static_cast<int32_t>(key);
    if (a.products == wideProducts) {
      values.set(columns, head.valueRow(key));
      // They are on their way while the scores are computed.
      prefetch(values.rows[columns], a.headDim);
    }
    columns++;
  };
  if (groupRows > 0) groups.begin(head.groupCounts, groupRows);
  // A block lies in one group.
  const auto groupOf = [&](int64_t e) { return entries[e] * a.blockKeys / a.residualGroup; };
  for (int64_t e = 0; e < count; e++) {
    int64_t present = 0;
    for (int64_t i = 0; i < a.blockKeys; i++) {
      const int64_t key = head.keyAt(entries[e] * a.blockKeys + i);
      addColumn(key);
      present += key >= 0;
    }
    if (groupRows > 0) groups.name(groupOf(e), present);
    for (int64_t i = 0; a.paired() && i < a.blockKeys; i += 2) {
      const float* pair = head.packedValues + (entries[e] * a.blockKeys + i) * a.valueWords();
      valuePairs[(e * a.blockKeys + i) / 2] = pairsOf(pair);
      prefetch(pair, a.paddedDim());
    }
  }
  while (columns % tileLanes != 0) addColumn(-1);
  if (!inPlace) {
    for (int64_t first = 0; first < columns; first += tileLanes) {
      const T* rows[tileLanes];
      for (int64_t i = 0; i < tileLanes; i++) rows[i] = head.keyRow(columnKeys[first + i]);
      packPanel(rows, a.headDim, gathered + first * a.headDim);
    }
  }

  const float* counts = head.groupCounts;
  const float* logCounts = counts + groupRows;
  float* groupScores = scores + columns * tileLanes;
  const auto packedBlock = [&](int64_t e) {
    return head.packedKeys + entries[e] * a.blockKeys * a.keyWords();
  };
  const auto prefetchBlock = [&](int64_t e) {
    if (inPlace && !a.tiled() && e < count) prefetch(packedBlock(e), a.blockKeys * a.keyWords());
  };
  // Absent keys and their values are zeros: whatever is done to their scores comes to nothing.
  const auto eachNamed = [&](auto body) {
    for (int64_t e = 0; e < count; e++) {
      body(scores + e * a.blockKeys * tileLanes, groupScores + groupOf(e) * tileLanes);
    }
  };
  prefetchBlock(0);
  const int64_t tileStart = task % tiles * a.tileQueries;
  const int64_t tileEnd = least(tileStart + a.tileQueries, a.queries);
  for (int64_t start = tileStart; start < tileEnd; start += tileLanes) {
    tile.begin(start, least(start + tileLanes, tileEnd));
    for (int64_t lane = 0; lane < tileLanes; lane++) head.prefetchQuery(start + tileLanes + lane);
    if (inPlace) {
      for (int64_t e = 0; e < count; e++) {
        prefetchBlock(e + 1);
        tile.score(packedBlock(e), a.blockKeys / tileLanes, scores + e * a.blockKeys * tileLanes);
      }
    } else {
      tile.score(gathered, columns / tileLanes, scores);
    }
    if (groupRows > 0) {
      // From q·(mean of the whole group) to the group's logit: q·(mean of what is left) + ln(how much is left).
      tile.score(head.groupKeys, groupRows / tileLanes, groupScores);
      for (int64_t g = 0; g < groupRows; g++) {
        if (groups.touched[g]) scaleColumn(groupScores + g * tileLanes, counts[g], 0);
      }
      eachNamed([&](const float* block, float* group) { subtractColumns(group, block, a.blockKeys); });
      for (int64_t g = 0; g < groupRows; g++) {
        float* column = groupScores + g * tileLanes;
        const float n = groups.left[g];
        if (n <= 0) {
          fillColumn(column, -infinity);
        } else if (groups.touched[g]) {
          scaleColumn(column, 1 / n, log(splat(n))[0]);
        } else {
          scaleColumn(column, 1, logCounts[g]);
        }
      }
    }
    int32_t limits[tileLanes];
    tile.causalLimits(limits);
    for (int64_t c = 0; c < columns; c++) {
      if (columnKeys[c] < 0) {
        fillColumn(scores + c * tileLanes, -infinity);
      } else if (a.causal) {
        tile.hide(scores + c * tileLanes, columnKeys[c], limits);
      }
    }
    QueryTile<T>::raiseMaxima(scores, columns + groupRows, tile.maxima);
    QueryTile<T>::settle(tile.maxima);
    tile.exponentiate(scores, columns + groupRows, tile.maxima);
    if (groupRows > 0) {
      // From probabilities to the weights of the value rows: w = p/n for a group's sum, p − w for its selected keys.
      for (int64_t g = 0; g < groupRows; g++) {
        if (groups.left[g] <= 0) continue;
        scaleColumn(groupScores + g * tileLanes, 1 / groups.left[g], 0);
        // As it will be multiplied: what is added for the group and taken away for its selected keys must be the same.
        if (a.products != wideProducts) roundColumn(groupScores + g * tileLanes);
      }
      eachNamed([&](float* block, const float* group) {
        for (int64_t i = 0; i < a.blockKeys; i++) subtractColumns(block + i * tileLanes, group, 1);
      });
    }
#if defined(__AMX_TILE__)
    if (a.tiled()) {
      const int64_t blockTiles = a.blockKeys / amxKeys;
      const int64_t keyBlocks = columns / amxKeys;
      // The groups' rows follow the keys' in S.
      const auto valuesOf = [&](int64_t block) -> const bfloat16* {
        if (block >= keyBlocks) return narrowOf(head.groupValues) + (block - keyBlocks) * amxKeys * a.headDim;
        return narrowOf(head.packedValues) + (entries[block / blockTiles] * blockTiles + block % blockTiles) * amxKeys * a.headDim;
      };
      tile.addTiles(scores, valuesOf, (columns + groupRows) / amxKeys, pairs);
      const bfloat16* rest = narrowOf(head.groupValues) + groupRows * a.headDim;
      addValuesByTiles([&](int64_t block) { return rest + block * amxKeys * a.headDim; }, groupRows / amxKeys,
                       pairs + columns * tileLanes, a.headDim, tile.sums);
      tile.write();
      continue;
    }
#endif
    tile.addValues(groupScores, [&](int64_t column) { return Strided<>{head.groupValues + column, a.paddedDim()}; }, groupRows);
#if FLASHMLA_BFLOAT16_PRODUCTS
    if (a.paired()) {
      tile.addPairs(scores, [&](int64_t column) { return Scattered<uint32_t>{valuePairs, column}; }, columns, pairs);
      tile.write();
      continue;
    }
#endif
    tile.addValues(scores, [&](int64_t column) { return Scattered<T>{values.rows, column}; }, columns);
    tile.write();
  }
#if defined(__AMX_TILE__)
  if (a.tiled()) _tile_release();
#endif
}

}  // namespace FLASHMLA_ARCHITECTURE
}  // namespace flashmla
