// dense-attention: tiles of 16 queries against chunks of 128 keys with online softmax (Dao et al., arXiv 2205.14135).
// The scores of one chunk (8 KiB) and the tiles' sums are all that is ever kept.
//
// Four tiles are a task: each chunk of keys comes from far once for all of them. So do its values, into copies that lie
// together: in place, a row of 12 heads × 64 is 3 KiB from the next, which is a page of the TLB each and few sets of a cache.

#pragma once

#include "attention.hpp"

namespace flashmla {
namespace FLASHMLA_ARCHITECTURE {

constexpr int64_t denseChunk = 128;
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
  if (hasTiles<T> && tile.head.a.tiled) {
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

/**
 * A task is denseTiles tiles of 16 queries of a head.
 * scratch: denseTiles × (float 16 × headDim, 16 × paddedDim, 2 × 16); denseChunk × 16 scores; denseChunk pointers, paddedDim T,
 * denseChunk × paddedDim T; denseChunk × 16 bfloat16 where tiled
 */
template <typename T>
void denseAttention(const double* arguments, int64_t task, char* scratch) {
  const AttentionArguments<T> a(arguments);
  constexpr int64_t taskQueries = denseTiles * tileLanes;
  const int64_t parts = ceilDivide(a.queries, taskQueries);
  const Head<T> head(a, task / parts);
  const int64_t start = task % parts * taskQueries;
  const int64_t end = least(start + taskQueries, a.queries);
  const int64_t tiles = ceilDivide(end - start, tileLanes);
  Scratch memory(scratch);
  const auto takeTile = [&] { return QueryTile<T>::take(head, memory); };
  QueryTile<T> taken[denseTiles] = {takeTile(), takeTile(), takeTile(), takeTile()};
  int32_t limits[denseTiles][tileLanes];
  for (int64_t t = 0; t < tiles; t++) {
    const int64_t from = start + t * tileLanes;
    taken[t].begin(from, least(from + tileLanes, end));
    taken[t].causalLimits(limits[t]);
  }
  float* scores = memory.take<float>(denseChunk * tileLanes);
  const auto values = PaddedRows<T>::take(a.headDim, memory, denseChunk, true);
#if defined(__AMX_TILE__)
  bfloat16* pairs = memory.take<bfloat16>(a.tiled ? denseChunk * tileLanes : 0);
  if (a.tiled) configureAttentionTiles();
#endif

  for (int64_t first = 0; first < a.keys; first += denseChunk) {
    if (a.causal && first > end - 1 + a.keys - a.queries) break;
    // Rows of packed keys are a multiple of 16: those past the end are absent.
    const int64_t count = least(denseChunk, a.tiled ? a.keyRows - first : a.keys - first);
    for (int64_t c = 0; c < count && !a.tiled; c++) values.set(c, head.valueRow(head.keyAt(first + c)));
    const bool all = !a.causal && !head.mask && first + count <= a.keys;
    for (int64_t t = 0; t < tiles; t++) {
      const QueryTile<T>& tile = taken[t];
      tile.score(head.packedKeys + first * a.headDim / (a.tiled ? 2 : 1), ceilDivide(count, tileLanes), scores);
      for (int64_t c = 0; c < count && !all; c++) {
        const int64_t key = head.keyAt(first + c);
        if (key < 0) {
          fillColumn(scores + c * tileLanes, -infinity);
        } else if (a.causal) {
          tile.hide(scores + c * tileLanes, key, limits[t]);
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
      if (a.tiled) {
        const bfloat16* packed = head.packedValues + first * a.headDim;
        tile.addTiles(scores, [&](int64_t block) { return packed + block * amxKeys * a.headDim; }, count / amxKeys, pairs);
        continue;
      }
#endif
      tile.addValues(scores, values.rows, count);
    }
  }
  for (int64_t t = 0; t < tiles; t++) taken[t].write();
#if defined(__AMX_TILE__)
  if (a.tiled) _tile_release();
#endif
}

}  // namespace FLASHMLA_ARCHITECTURE
}  // namespace flashmla
