// dense-attention: tiles of 16 queries against chunks of 64 keys with online softmax (Dao et al., arXiv 2205.14135). The
// scores of one chunk (4 KiB) and the tiles' sums are all that is ever kept. Some tiles are a task: a chunk's keys and values
// stay in the first level of cache while one after the other passes by.

#pragma once

#include "attention.hpp"

namespace flashmla {
namespace FLASHMLA_ARCHITECTURE {

constexpr int64_t denseChunk = 64;
/** Tiles of a task, at most. */
constexpr int denseTiles = 4;

/** Brings denominators and sums from the old maxima to the new ones. */
template <typename T>
void rescale(const QueryTile<T>& tile, const float* raised) {
  float factors[tileLanes];
  bool changed = false;
  eachColumnVector([&](int i) {
    const f32v before = load(tile.maxima + i);
    const f32v after = load(raised + i);
    // Equal maxima, −∞ among them, keep what is there.
    const f32v factor = before == after ? splat(1.0f) : exp(before - after);
    store(factors + i, factor);
    store(tile.denominators + i, load(tile.denominators + i) * factor);
    store(tile.maxima + i, after);
  });
  for (float factor : factors) changed |= factor != 1;
  if (!changed) return;
  const int64_t paddedDim = tile.head.a.paddedDim();
  if (tile.head.a.tiled()) {
    for (int64_t i = 0; i < paddedDim; i++) {
      eachColumnVector([&](int v) {
        float* sum = tile.sums + i * tileLanes + v;
        store(sum, load(sum) * load(factors + v));
      });
    }
    return;
  }
  for (int64_t lane = 0; lane < tileLanes; lane++) {
    float* row = tile.sums + lane * paddedDim;
    for (int64_t i = 0; i < paddedDim; i += lanes) store(row + i, load(row + i) * factors[lane]);
  }
}

/** Brings a tile on by `count` keys from position `first` on. `scores` and `pairs` are memory for denseChunk of them. */
template <typename T>
FLASHMLA_INLINE void attendToChunk(const QueryTile<T>& tile, int64_t first, int64_t count, float* scores,
                                   [[maybe_unused]] bfloat16* pairs) {
  const Head<T>& head = tile.head;
  const AttentionArguments<T>& a = head.a;
  tile.score(head.packedKeys + first * a.keyWords(), ceilDivide(count, tileLanes), scores);
  // Where all are there, nothing has to be looked at singly.
  if (a.causal || head.mask || first + count > a.keys) {
    int32_t limits[tileLanes];
    tile.causalLimits(limits);
    for (int64_t c = 0; c < count; c++) {
      const int64_t key = head.keyAt(first + c);
      if (key < 0) {
        fillColumn(scores + c * tileLanes, -infinity);
      } else if (a.causal) {
        tile.hide(scores + c * tileLanes, key, limits);
      }
    }
  }
  float raised[tileLanes];
  memcpy(raised, tile.maxima, sizeof raised);
  QueryTile<T>::raiseMaxima(scores, count, raised);
  rescale(tile, raised);
  // A row that has seen nothing yet keeps −∞ as its maximum, but subtracts 0.
  QueryTile<T>::settle(raised);
  tile.exponentiate(scores, count, raised);
#if defined(__AMX_TILE__)
  if (a.tiled()) {
    const bfloat16* packed = narrowOf(head.packedValues) + first * a.headDim;
    return tile.addTiles(scores, [&](int64_t block) { return packed + block * amxKeys * a.headDim; }, count / amxKeys, pairs);
  }
#endif
  const float* values = head.packedValues + first * a.valueWords();
#if FLASHMLA_BFLOAT16_PRODUCTS
  if (a.paired()) {
    const auto pairsAt = [&](int64_t column) { return Strided<uint32_t>{pairsOf(values) + column, a.paddedDim()}; };
    return tile.addPairs(scores, pairsAt, count, pairs);
  }
#endif
  tile.addValues(scores, [&](int64_t column) { return Strided<>{values + column, a.paddedDim()}; }, count);
}

/**
 * A task is tileQueries queries of a head, denseTiles tiles at most.
 * scratch: denseTiles × float 16 × headDim, 16 × paddedDim, 2 × 16; denseChunk × 16 scores; denseChunk × 16 bfloat16 unless wide
 */
template <typename T>
void denseAttention(const double* arguments, int64_t task, char* scratch) {
  const AttentionArguments<T> a(arguments);
  const int64_t tasks = ceilDivide(a.queries, a.tileQueries);
  const Head<T> head(a, task / tasks);
  Scratch memory(scratch);
  const auto take = [&] { return QueryTile<T>::take(head, memory); };
  QueryTile<T> tiles[denseTiles] = {take(), take(), take(), take()};
  float* scores = memory.take<float>(denseChunk * tileLanes);
  bfloat16* pairs = memory.take<bfloat16>(a.products == wideProducts ? 0 : denseChunk * tileLanes);
#if defined(__AMX_TILE__)
  if (a.tiled()) configureAttentionTiles();
#endif
  const int64_t start = task % tasks * a.tileQueries;
  const int64_t end = least(start + a.tileQueries, a.queries);
  const int64_t count = ceilDivide(end - start, tileLanes);
  for (int64_t t = 0; t < count; t++) tiles[t].begin(start + t * tileLanes, least(start + (t + 1) * tileLanes, end));
  // Rows of packed keys are a multiple of 16: those past the end are absent.
  const int64_t keys = a.products == wideProducts ? a.keys : a.keyRows;
  for (int64_t first = 0; first < keys; first += denseChunk) {
    for (int64_t t = 0; t < count; t++) {
      if (a.causal && first > tiles[t].end - 1 + a.keys - a.queries) continue;
      attendToChunk(tiles[t], first, least(denseChunk, keys - first), scores, pairs);
    }
  }
#if defined(__AMX_TILE__)
  if (a.tiled()) _tile_release();
#endif
  for (int64_t t = 0; t < count; t++) tiles[t].write();
}

}  // namespace FLASHMLA_ARCHITECTURE
}  // namespace flashmla
