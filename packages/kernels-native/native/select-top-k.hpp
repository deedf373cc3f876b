// select-top-k: scores of query tiles against key blocks in gate space, and the best of each tile's.
//
// featureBlocks first turns keys into mean features of blocks (and of coarse groups), in panels for the register tile;
// selectTopK then scores tileRows tiles at a time. Nothing queries × keys is kept: a task holds the scores of so many tiles.

#pragma once

#include "matmul.hpp"
#include "order-statistics.hpp"
#include "words.hpp"

namespace flashmla {
namespace FLASHMLA_ARCHITECTURE {

/** Tiles of a task. */
constexpr int64_t topKTiles = 24;

/** Where a piece of tokens is cut from: points [tokens, rank] of a head, in an order, behind a mask. */
struct Points {
  const float* points;
  const int32_t* order;
  const uint8_t* mask;
  int64_t rank;

  /** The mean of the present points at positions [start, end), zeros where there is none; returns how many there are. */
  int64_t mean(int64_t start, int64_t end, float* out) const {
    int64_t count = 0;
    const auto meanOf = [&](auto read) {
      f32v sum = {};
      count = 0;
      for (int64_t position = start; position < end; position++) {
        const int64_t token = order ? order[position] : position;
        if (mask && !mask[token]) continue;
        count++;
        sum += read(points + token * rank);
      }
      return sum / static_cast<float>(most<int64_t>(count, 1));
    };
    eachVector(
        rank, [&](int64_t i) { store(out + i, meanOf([&](const float* point) { return load(point + i); })); },
        [&](int64_t i, int64_t left) {
          storePart(out + i, meanOf([&](const float* point) { return loadPart(point + i, left); }), left);
        });
    return count;
  }
};

/**
 * Mean features of blocks of `block` positions; a task tileColumns blocks of a head. words: points [bh, tokens, rank], order
 * or 0, mask or 0, features [bh][panels][rank][tileColumns], present [bh][panels · tileColumns], heads, tokens, rank, block,
 * blocks
 * scratch: rank float
 */
inline void featureBlocks(const double* arguments, int64_t task, char* scratch) {
  Words words(arguments);
  const float* points = words.pointer<const float>();
  const int32_t* order = words.pointer<const int32_t>();
  const uint8_t* mask = words.pointer<const uint8_t>();
  float* features = words.pointer<float>();
  uint8_t* present = words.pointer<uint8_t>();
  const int64_t heads = words.integer();
  const int64_t tokens = words.integer();
  const int64_t rank = words.integer();
  const int64_t block = words.integer();
  const int64_t panels = ceilDivide(words.integer(), tileColumns);
  const int64_t batchHead = task / panels;
  const Points cut{points + batchHead * tokens * rank, order ? order + batchHead * tokens : nullptr,
                   mask ? mask + batchHead / heads * tokens : nullptr, rank};
  float* mean = reinterpret_cast<float*>(scratch);
  float* panel = features + task * rank * tileColumns;
  for (int64_t column = 0; column < tileColumns; column++) {
    const int64_t start = (task % panels * tileColumns + column) * block;
    present[task * tileColumns + column] = cut.mean(start, least(start + block, tokens), mean) > 0;
    for (int64_t i = 0; i < rank; i++) panel[i * tileColumns + column] = mean[i];
  }
}

struct TopKArguments {
  const float* query;
  const int32_t* queryOrder;
  const uint8_t* queryMask;
  const float* features;
  const uint8_t* present;
  const float* coarse;
  const uint8_t* coarsePresent;
  const float* relativeBias;
  int32_t* indices;
  const int32_t* headSlots;
  int64_t heads, queries, keys, rank, tileQueries, blockKeys, blocks, slots, causal, forceFirst, forceDiagonal, biasSpan;
  int64_t coarseBlocks, coarseCount, coarseSlots;

  explicit TopKArguments(const double* arguments) {
    Words words(arguments);
    query = words.pointer<const float>();
    queryOrder = words.pointer<const int32_t>();
    queryMask = words.pointer<const uint8_t>();
    features = words.pointer<const float>();
    present = words.pointer<const uint8_t>();
    coarse = words.pointer<const float>();
    coarsePresent = words.pointer<const uint8_t>();
    relativeBias = words.pointer<const float>();
    indices = words.pointer<int32_t>();
    headSlots = words.pointer<const int32_t>();
    words.integers(heads, queries, keys, rank, tileQueries, blockKeys, blocks, slots, causal, forceFirst, forceDiagonal,
                   biasSpan, coarseBlocks, coarseCount, coarseSlots);
  }

  bool forced(int64_t tile, int64_t block) const {
    return block < forceFirst || most(block - tile, tile - block) < forceDiagonal;
  }

  /** Adds the relative bias, puts forced blocks first (+∞) and hides absent ones (−∞, which is never taken). */
  void adjust(int64_t head, int64_t tile, const uint8_t* presentHere, float* scores, int64_t from, int64_t to) const {
    if (biasSpan >= 0) {
      const float* center = relativeBias + head * (2 * biasSpan + 1) + biasSpan;
      for (int64_t block = from; block < to; block++) {
        scores[block] += center[least(most(block - tile, -biasSpan), biasSpan)];
      }
    }
    if (forceFirst > 0 || forceDiagonal > 0) {
      for (int64_t block = from; block < to; block++) {
        if (forced(tile, block)) scores[block] = infinity;
      }
    }
    hideAbsent(presentHere, scores, from, to);
  }

  static void hideAbsent(const uint8_t* presentHere, float* scores, int64_t from, int64_t to) {
    for (int64_t block = from; block < to; block++) {
      if (!presentHere[block]) scores[block] = -infinity;
    }
  }
};

/** Blocks that may be taken: their scores side by side, and their numbers. */
struct Listed {
  float* scores;
  int32_t* numbers;
  int64_t count = 0;

  void add(float score, int64_t block) {
    scores[count] = score;
    numbers[count++] = static_cast<int32_t>(block);
  }
};

/** Scores [tiles][stride] of `count` tiles' features against panels [from, to). */
inline void scorePanels(const float* tiles, int64_t count, const float* panels, int64_t rank, int64_t from, int64_t to,
                        float* scores, int64_t stride) {
  for (int64_t panel = from; panel < to; panel++) {
    eachTile<tileRows>(count, [&](int64_t row, auto tile) {
      constexpr int height = decltype(tile)::of;
      f32v sum[height][tileVectors] = {};
      multiply(RowMajor<float>{tiles + row * rank, rank}, Panel<tileColumns>{panels + panel * rank * tileColumns}, rank, sum);
      for (int r = 0; r < height; r++) memcpy(scores + (row + r) * stride + panel * tileColumns, sum[r], sizeof sum[r]);
    });
  }
}

/**
 * A task is topKTiles tiles of a head. words: see TopKArguments
 * scratch: float tileRows × rank tiles, tileRows × scored scores, where scored is the number of blocks, or of groups with
 * two levels, rounded up to whole panels; with two levels float blocks of fine scores (rounded up likewise), float and int32
 * blocks + 16 of those listed; candidates of blocks and of groups, int32 candidateRoom keys and numbers each
 */
inline void selectTopK(const double* arguments, int64_t task, char* scratch) {
  const TopKArguments a(arguments);
  const int64_t tiles = ceilDivide(a.queries, a.tileQueries);
  const int64_t chunks = ceilDivide(tiles, topKTiles);
  const int64_t batchHead = task / chunks;
  const int64_t head = batchHead % a.heads;
  const int64_t paddedBlocks = roundUp(a.blocks, tileColumns);
  const int64_t paddedGroups = roundUp(a.coarseCount, tileColumns);
  const bool twoLevels = a.coarseBlocks > 0;
  const int64_t scored = twoLevels ? paddedGroups : paddedBlocks;
  const float* features = a.features + batchHead * paddedBlocks * a.rank;
  const uint8_t* present = a.present + batchHead * paddedBlocks;
  const float* coarse = a.coarse + batchHead * paddedGroups * a.rank;
  const uint8_t* coarsePresent = a.coarsePresent + batchHead * paddedGroups;
  const Points cut{a.query + batchHead * a.queries * a.rank, a.queryOrder ? a.queryOrder + batchHead * a.queries : nullptr,
                   a.queryMask ? a.queryMask + batchHead / a.heads * a.queries : nullptr, a.rank};
  const int64_t wanted = a.headSlots ? most<int64_t>(1, a.headSlots[head]) : a.slots;
  const int64_t kept = least(least(wanted, a.slots), a.blocks);
  const int64_t keptGroups = least(a.coarseSlots, a.coarseCount);

  Scratch memory(scratch);
  float* tileFeatures = memory.take<float>(tileRows * a.rank);
  float* scores = memory.take<float>(tileRows * scored);
  float* fineScores = memory.take<float>(twoLevels ? paddedBlocks : 0);
  float* listedScores = memory.take<float>(twoLevels ? a.blocks + 16 : 0);
  int32_t* listedNumbers = memory.take<int32_t>(twoLevels ? a.blocks + 16 : 0);
  const Candidates candidates{memory.take<int32_t>(candidateRoom(kept)), memory.take<int32_t>(candidateRoom(kept))};
  const Candidates groupCandidates{memory.take<int32_t>(candidateRoom(keptGroups)),
                                   memory.take<int32_t>(candidateRoom(keptGroups))};

  const int64_t first = task % chunks * topKTiles;
  const int64_t last = least(first + topKTiles, tiles);
  for (int64_t tile = first; tile < last; tile += tileRows) {
    const int64_t count = least<int64_t>(tileRows, last - tile);
    for (int64_t i = 0; i < count; i++) {
      const int64_t start = (tile + i) * a.tileQueries;
      cut.mean(start, least(start + a.tileQueries, a.queries), tileFeatures + i * a.rank);
    }
    scorePanels(tileFeatures, count, twoLevels ? coarse : features, a.rank, 0, scored / tileColumns, scores, scored);
    for (int64_t i = 0; i < count; i++) {
      const int64_t number = tile + i;
      // Under the causal mask a block is visible when its first key is; a tile before the first key sees none.
      const int64_t lastKey = least((number + 1) * a.tileQueries, a.queries) - 1 + a.keys - a.queries;
      const int64_t visible = !a.causal ? a.blocks : lastKey < 0 ? 0 : least(a.blocks, lastKey / a.blockKeys + 1);
      float* row = scores + i * scored;
      int64_t found;
      if (!twoLevels) {
        a.adjust(head, number, present, row, 0, visible);
        found = takeLargest(row, nullptr, visible, kept, candidates);
      } else {
        const int64_t visibleGroups = ceilDivide(visible, a.coarseBlocks);
        TopKArguments::hideAbsent(coarsePresent, row, 0, visibleGroups);
        const int64_t groups = takeLargest(row, nullptr, visibleGroups, keptGroups, groupCandidates);
        Listed listed{listedScores, listedNumbers};
        // Forced blocks need no chosen group.
        const auto listForced = [&](int64_t from, int64_t to) {
          if (a.forceFirst == 0 && a.forceDiagonal == 0) return;
          for (int64_t block = from; block < to; block++) {
            if (present[block] && a.forced(number, block)) listed.add(infinity, block);
          }
        };
        int64_t next = 0;
        for (int64_t g = 0; g < groups; g++) {
          const int64_t start = groupCandidates.numbers[g] * a.coarseBlocks;
          listForced(next, start);
          next = least(start + a.coarseBlocks, visible);
          scorePanels(tileFeatures + i * a.rank, 1, features, a.rank, start / tileColumns, ceilDivide(next, tileColumns),
                      fineScores, paddedBlocks);
          a.adjust(head, number, present, fineScores, start, next);
          for (int64_t block = start; block < next; block++) listed.add(fineScores[block], block);
        }
        listForced(next, visible);
        found = takeLargest(listed.scores, listed.numbers, listed.count, kept, candidates);
      }
      int32_t* list = a.indices + (batchHead * tiles + number) * a.slots;
      for (int64_t slot = 0; slot < a.slots; slot++) list[slot] = slot < found ? candidates.numbers[slot] : -1;
    }
  }
}

}  // namespace FLASHMLA_ARCHITECTURE
}  // namespace flashmla
