// Products by AMX: tiles of 16 rows × 64 bytes in registers of their own; a step of 16 units of depth multiplies two of A
// with two of B into 32 × 32 sums.
//
// A is read row by row where it lies, B from the panels that numbers.hpp reads, 16 of a panel's 32 columns a tile.

#pragma once

#include "numbers.hpp"

#if defined(__AMX_TILE__)

namespace flashmla {
namespace FLASHMLA_ARCHITECTURE {

static_assert(tileColumns == 32, "two tiles are a panel");

constexpr int amxRows = 32;
/** Units of a step. */
constexpr int amxDepth = 16;

struct alignas(64) TileConfiguration {
  uint8_t palette = 1;
  uint8_t startRow = 0;
  uint8_t reserved[14] = {};
  uint16_t rowBytes[16] = {};
  uint8_t rows[16] = {};

  FLASHMLA_INLINE void load() const {
    // GCC's intrinsic says that 8 bytes are read: without this it drops the stores to the rest (seen in 12.2).
    asm volatile("" : : "r"(this) : "memory");
    _tile_loadconfig(this);
  }
};

/** Sets the tiles for `rows` ≤ 32 rows of A: 0 to 3 are sums, 4 and 5 of A, 6 and 7 of B. */
FLASHMLA_INLINE void configureTiles(int64_t rows) {
  TileConfiguration configuration;
  const uint8_t upper = static_cast<uint8_t>(least<int64_t>(rows, 16));
  const uint8_t lower = static_cast<uint8_t>(most<int64_t>(rows - 16, 1));
  const uint8_t tileRowCounts[8] = {upper, upper, lower, lower, upper, lower, amxDepth, amxDepth};
  for (int tile = 0; tile < 8; tile++) {
    configuration.rows[tile] = tileRowCounts[tile];
    configuration.rowBytes[tile] = 64;
  }
  configuration.load();
}

// GCC's intrinsics are macros that want the numbers of tiles as they are written.
#define FLASHMLA_MULTIPLY_TILES(sum, a, b)                  \
  if constexpr (std::is_base_of_v<Bfloat16, Numbers>) {        \
    _tile_dpbf16ps(sum, a, b);                              \
  } else {                                                  \
    _tile_dpbusd(sum, a, b);                                \
  }

/**
 * sums [32][32] of A's rows with a panel's columns, over `steps` steps of depth. Tiles are configured for the rows.
 *
 * @param stride from a row of A to the next, in units
 */
template <typename Numbers, bool lower>
FLASHMLA_INLINE void multiplyByTiles(const uint32_t* a, int64_t stride, const uint32_t* panel, int64_t steps, void* sums) {
  const int64_t strideBytes = stride * 4;
  constexpr int panelBytes = tileColumns * 4;
  _tile_zero(0);
  _tile_zero(1);
  if (lower) _tile_zero(2);
  if (lower) _tile_zero(3);
  for (int64_t step = 0; step < steps; step++) {
    _tile_loadd(4, a, strideBytes);
    _tile_loadd(6, panel, panelBytes);
    _tile_loadd(7, panel + 16, panelBytes);
    if (lower) _tile_loadd(5, a + 16 * stride, strideBytes);
    FLASHMLA_MULTIPLY_TILES(0, 4, 6)
    FLASHMLA_MULTIPLY_TILES(1, 4, 7)
    if constexpr (lower) {
      FLASHMLA_MULTIPLY_TILES(2, 5, 6)
      FLASHMLA_MULTIPLY_TILES(3, 5, 7)
    }
    a += amxDepth;
    panel += amxDepth * tileColumns;
  }
  char* const to = static_cast<char*>(sums);
  _tile_stored(0, to, panelBytes);
  _tile_stored(1, to + 64, panelBytes);
  if (lower) _tile_stored(2, to + 16 * panelBytes, panelBytes);
  if (lower) _tile_stored(3, to + 16 * panelBytes + 64, panelBytes);
}

}  // namespace FLASHMLA_ARCHITECTURE
}  // namespace flashmla

#endif
