// Attention's products by AMX, for bfloat16 and heads of a multiple of 32: in bfloat16, sums in float32.
//
// S[key][16 queries] = keys · queriesᵀ: a panel's 16 keys are the rows of A as they are. O[feature][16 queries] =
// valuesᵀ · S: the weights, rounded to bfloat16 and in pairs of keys, are B; so values are packed by features.
//
//   keys    [rows / 16][16][headDim]     queries  [headDim / 2][16][2]
//   values  [rows / 16][headDim][16]     weights  [rows / 2][16][2]
//
// Sums of residual groups' values are two such operands: what bfloat16 has of them, and what it has of the rest.

#pragma once

#include "amx.hpp"

namespace flashmla {
namespace FLASHMLA_ARCHITECTURE {

#if defined(__AMX_TILE__)
template <typename T>
constexpr bool hasTiles = std::is_same_v<T, bfloat16>;
#else
template <typename T>
constexpr bool hasTiles = false;
#endif

/** Keys of a panel, and of a step of the product with the values. */
constexpr int64_t amxKeys = 16;

FLASHMLA_INLINE void packKeyByTiles(const bfloat16* row, int64_t headDim, int64_t position, bfloat16* keys) {
  bfloat16* to = keys + position * headDim;
  if (row) {
    memcpy(to, row, static_cast<size_t>(headDim) * sizeof *to);
  } else {
    memset(to, 0, static_cast<size_t>(headDim) * sizeof *to);
  }
}

/** The value of one key; null where there is none. */
FLASHMLA_INLINE void packValueByTiles(const bfloat16* row, int64_t headDim, int64_t position, bfloat16* values) {
  bfloat16* to = values + position / amxKeys * amxKeys * headDim + position % amxKeys;
  for (int64_t i = 0; i < headDim; i++) to[i * amxKeys] = row ? row[i] : bfloat16{0};
}

FLASHMLA_INLINE void packQueryByTiles(const bfloat16* row, int64_t headDim, int64_t lane, bfloat16* queries) {
  for (int64_t i = 0; i < headDim; i += 2) {
    if (row) {
      memcpy(queries + i * 16 + lane * 2, row + i, 4);
    } else {
      memset(queries + i * 16 + lane * 2, 0, 4);
    }
  }
}

#if defined(__AMX_TILE__)

/** 0 to 3 are sums; 4 is of keys and 6 of queries, 16 units deep; 5 is of values and 7 of weights, 8 units deep. */
FLASHMLA_INLINE void configureAttentionTiles() {
  TileConfiguration configuration;
  for (int tile = 0; tile < 8; tile++) {
    configuration.rows[tile] = tile == 7 ? 8 : 16;
    configuration.rowBytes[tile] = tile == 5 ? 32 : 64;
  }
  configuration.load();
}

/** scores [16][16] = scale · panel · queries */
FLASHMLA_INLINE void scoreByTiles(const bfloat16* panel, const bfloat16* queries, int64_t headDim, float scale, float* scores) {
  _tile_zero(0);
  for (int64_t i = 0; i < headDim; i += 32) {
    _tile_loadd(4, panel + i, headDim * 2);
    _tile_loadd(6, queries + i * 16, 64);
    _tile_dpbf16ps(0, 4, 6);
  }
  _tile_stored(0, scores, 64);
  for (int64_t i = 0; i < 256; i += lanes) store(scores + i, load(scores + i) * scale);
}

/** sums [64 features][16] += values of `blocks` blocks of 16 keys · pairs; `valuesOf(block)` is where a block begins. */
template <typename ValuesOf>
FLASHMLA_INLINE void addValuesByTiles(ValuesOf valuesOf, int64_t blocks, const bfloat16* pairs, int64_t headDim, float* sums) {
  constexpr int64_t tileElements = 16 * 16;
  int64_t i = 0;
  for (; i + 64 <= headDim; i += 64) {
    float* to = sums + i * 16;
    _tile_loadd(0, to, 64);
    _tile_loadd(1, to + tileElements, 64);
    _tile_loadd(2, to + 2 * tileElements, 64);
    _tile_loadd(3, to + 3 * tileElements, 64);
    for (int64_t block = 0; block < blocks; block++) {
      const bfloat16* values = valuesOf(block) + i * amxKeys;
      _tile_loadd(7, pairs + block * tileElements, 64);
      _tile_loadd(5, values, 32);
      _tile_dpbf16ps(0, 5, 7);
      _tile_loadd(5, values + tileElements, 32);
      _tile_dpbf16ps(1, 5, 7);
      _tile_loadd(5, values + 2 * tileElements, 32);
      _tile_dpbf16ps(2, 5, 7);
      _tile_loadd(5, values + 3 * tileElements, 32);
      _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, to, 64);
    _tile_stored(1, to + tileElements, 64);
    _tile_stored(2, to + 2 * tileElements, 64);
    _tile_stored(3, to + 3 * tileElements, 64);
  }
  for (; i < headDim; i += 16) {
    _tile_loadd(0, sums + i * 16, 64);
    for (int64_t block = 0; block < blocks; block++) {
      _tile_loadd(7, pairs + block * tileElements, 64);
      _tile_loadd(5, valuesOf(block) + i * amxKeys, 32);
      _tile_dpbf16ps(0, 5, 7);
    }
    _tile_stored(0, sums + i * 16, 64);
  }
}

#endif

}  // namespace FLASHMLA_ARCHITECTURE
}  // namespace flashmla
