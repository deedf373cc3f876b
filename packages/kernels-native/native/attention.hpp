// What the attention kernels share: their arguments, operands and the tile of 16 queries they all work on.
//
// Sixteen queries lie side by side: scores are kept as S[column][16 queries], so that maximum, exponential and sum run down
// the columns without a horizontal step, and S is at once the packed operand of the product with the values.
//
//   keys    packedKeys [heads of a pass][keyRows / 16][headDim][16] float, in key order, absent ones zero
//   values  packedValues [heads of a pass][keyRows][paddedDim] float, the same; of dense attention only
//   groups  groupKeys [heads of a pass][groupRows / 16][headDim][16] float, the mean key of each residual group
//           groupValues [heads of a pass][groupRows][paddedDim] float, the sum of its values
//           groupCounts [heads of a pass][2][groupRows] float, its present keys, and the logarithm of their number
//
// That is for float32. bfloat16 is multiplied as it is where the architecture does that, `paired`, two features or two keys in
// 32 bits: operands are [rows / 16][headDim / 2][16] and [keyRows / 2][paddedDim] pairs, but groupValues are float; or
// `tiled`, by AMX, in layouts of its own (amx-attention.hpp), with sums [headDim][16].
//
// A pass is as many heads as are packed at once and then attended to, while what was packed is still in cache (see
// ../src/kernels/attention.ts). Sparse attention reads values where they lie, unless rows of headDim are no whole vectors.
// Dense attention reads them again and again: rows that lie a power of two apart would share few lines of cache.

#pragma once

#include "amx-attention.hpp"
#include "numbers.hpp"
#include "transpose.hpp"
#include "words.hpp"

namespace flashmla {
namespace FLASHMLA_ARCHITECTURE {

/** Queries of a tile: the width of a column of S, and of a panel of packed keys. */
constexpr int tileLanes = 16;
constexpr int columnVectors = tileLanes / lanes;
/** Key positions a task of packKeys covers. */
constexpr int64_t packChunk = 64;
/** Rows of values are read in place by whole vectors; 16 elements are whole in every architecture. */
constexpr int64_t valueMultiple = 16;
/** Heads are tiled up to this. */
constexpr int64_t maxTiledDim = 256;

/** How attention multiplies; the plan chooses. */
enum Products : int64_t { wideProducts, pairedProducts, tiledProducts };

template <typename T>
constexpr bool hasPairs = FLASHMLA_BFLOAT16_PRODUCTS != 0 && std::is_same_v<T, bfloat16>;

template <typename T>
struct AttentionArguments {
  const T* query;
  const T* key;
  const T* value;
  const uint8_t* keyMask;
  T* output;
  float* lse;
  const int32_t* indices;
  const int32_t* keyOrder;
  const int32_t* queryOrder;
  float* packedKeys;
  float* packedValues;
  float* groupKeys;
  float* groupValues;
  float* groupCounts;
  int64_t heads, queries, keys, headDim;
  float scale;
  int64_t causal;
  /** Strides in elements, of query and output, and of key and value. */
  int64_t queryBatch, queryHead, queryToken, keyBatch, keyHead, keyToken;
  int64_t tileQueries, blockKeys, slots, residualGroup, groups;
  /** groups rounded up to a multiple of 16, or 0. */
  int64_t groupRows;
  /** Rows of packedKeys, a multiple of 16; 0 when keys are not packed. */
  int64_t keyRows;
  int64_t products;
  /** The first head of this pass, counted through all batch entries; packed operands begin with it. */
  int64_t firstHead;

  explicit AttentionArguments(const double* arguments) {
    Words words(arguments);
    query = words.pointer<const T>();
    key = words.pointer<const T>();
    value = words.pointer<const T>();
    keyMask = words.pointer<const uint8_t>();
    output = words.pointer<T>();
    lse = words.pointer<float>();
    indices = words.pointer<const int32_t>();
    keyOrder = words.pointer<const int32_t>();
    queryOrder = words.pointer<const int32_t>();
    packedKeys = words.pointer<float>();
    packedValues = words.pointer<float>();
    groupKeys = words.pointer<float>();
    groupValues = words.pointer<float>();
    groupCounts = words.pointer<float>();
    words.integers(heads, queries, keys, headDim);
    scale = words.number();
    words.integers(causal, queryBatch, queryHead, queryToken, keyBatch, keyHead, keyToken);
    words.integers(tileQueries, blockKeys, slots, residualGroup, groups, groupRows, keyRows, products, firstHead);
  }

  int64_t paddedDim() const { return roundUp(headDim, valueMultiple); }
  bool tiled() const { return hasTiles<T> && products == tiledProducts; }
  bool paired() const { return hasPairs<T> && products == pairedProducts; }
  /** Words of 32 bits that a packed key takes. */
  int64_t keyWords() const { return products == wideProducts ? headDim : headDim / 2; }
  int64_t valueWords() const { return products == wideProducts ? paddedDim() : paddedDim() / 2; }
};

/** One head of one batch entry: number `index` of the pass. */
template <typename T>
struct Head {
  const AttentionArguments<T>& a;
  /** Counted through all batch entries. */
  int64_t row;
  const T* queries;
  const T* keys;
  const T* values;
  T* outputs;
  float* lse;
  const uint8_t* mask;
  const int32_t* keyOrder;
  const int32_t* queryOrder;
  float* packedKeys;
  /** Null where values are read where they lie. */
  float* packedValues;
  float* groupKeys;
  float* groupValues;
  float* groupCounts;

  Head(const AttentionArguments<T>& arguments, int64_t index) : a(arguments), row(a.firstHead + index) {
    const int64_t batch = row / a.heads;
    const int64_t head = row % a.heads;
    queries = a.query + batch * a.queryBatch + head * a.queryHead;
    outputs = a.output + batch * a.queryBatch + head * a.queryHead;
    keys = a.key + batch * a.keyBatch + head * a.keyHead;
    values = a.value + batch * a.keyBatch + head * a.keyHead;
    lse = a.lse + row * a.queries;
    mask = a.keyMask ? a.keyMask + batch * a.keys : nullptr;
    keyOrder = a.keyOrder ? a.keyOrder + row * a.keys : nullptr;
    queryOrder = a.queryOrder ? a.queryOrder + row * a.queries : nullptr;
    packedKeys = a.packedKeys + index * a.keyRows * a.keyWords();
    packedValues = a.packedValues ? a.packedValues + index * a.keyRows * a.valueWords() : nullptr;
    groupKeys = a.groupKeys + index * a.groupRows * a.headDim;
    groupValues = a.groupValues + index * a.groupRows * a.paddedDim();
    groupCounts = a.groupCounts + index * 2 * a.groupRows;
  }

  /** The key at a position of the key order, or −1 where there is none or it is masked. */
  int64_t keyAt(int64_t position) const {
    if (position >= a.keys) return -1;
    const int64_t key = keyOrder ? keyOrder[position] : position;
    return mask && !mask[key] ? -1 : key;
  }
  int64_t queryAt(int64_t position) const { return queryOrder ? queryOrder[position] : position; }

  /** Null for key −1, as keyAt has it. */
  const T* keyRow(int64_t key) const { return key < 0 ? nullptr : keys + key * a.keyToken; }
  const T* valueRow(int64_t key) const { return key < 0 ? nullptr : values + key * a.keyToken; }

  // In an order by content rows lie anywhere, and no hardware foresees them.
  void prefetchKey(int64_t key) const {
    if (key >= 0) prefetch(keys + key * a.keyToken, a.headDim);
  }
  void prefetchValue(int64_t key) const {
    if (key >= 0) prefetch(values + key * a.keyToken, a.headDim);
  }
  void prefetchQuery(int64_t position) const {
    if (position < a.queries) prefetch(queries + queryAt(position) * a.queryToken, a.headDim);
  }
};

/** to[paddedDim] = factor · row, or zeros where there is none; padded with zeros. */
template <typename T>
FLASHMLA_INLINE void copyRow(const T* row, int64_t headDim, int64_t paddedDim, float factor, float* to) {
  if (!row) {
    memset(to, 0, static_cast<size_t>(paddedDim) * sizeof(float));
    return;
  }
  eachVector(
      headDim, [&](int64_t i) { store(to + i, factor * load(row + i)); },
      [&](int64_t i, int64_t left) { store(to + i, factor * loadPart(row + i, left)); });
  for (int64_t i = roundUp(headDim, lanes); i < paddedDim; i += lanes) store(to + i, f32v{});
}

/** panel[headDim][16] of rows; zeros for those that are null. */
template <typename T>
inline void packPanel(const T* const (&rows)[tileLanes], int64_t headDim, float* panel) {
  for (int64_t i = 0; i < headDim; i += tileLanes) {
    float block[tileLanes * tileLanes];
    const int64_t width = least<int64_t>(tileLanes, headDim - i);
    for (int row = 0; row < tileLanes; row++) {
      copyRow(rows[row] ? rows[row] + i : nullptr, width, tileLanes, 1, block + row * tileLanes);
    }
    if (width == tileLanes) {
      transpose16(block, tileLanes, panel + i * tileLanes, tileLanes);
    } else {
      float columns[tileLanes * tileLanes];
      transpose16(block, tileLanes, columns, tileLanes);
      memcpy(panel + i * tileLanes, columns, static_cast<size_t>(width * tileLanes) * sizeof(float));
    }
  }
}

/** The same in pairs of features, [headDim / 2][16]: 32 bits of a row lie as they lay, whatever they mean. */
inline void pairPanel(const bfloat16* const (&rows)[tileLanes], int64_t headDim, float* panel) {
  const float* words[tileLanes];
  for (int row = 0; row < tileLanes; row++) words[row] = reinterpret_cast<const float*>(rows[row]);
  packPanel(words, headDim / 2, panel);
}

/** [headDim] pairs of two rows, null where there is none; headDim is a multiple of 16. */
FLASHMLA_INLINE void pairRows(const bfloat16* even, const bfloat16* odd, int64_t headDim, float* pairs) {
  for (int64_t i = 0; i < headDim; i += lanes) {
    const u16v low = even ? loadVector<u16v>(even + i) : u16v{};
    const u16v high = odd ? loadVector<u16v>(odd + i) : u16v{};
    const u32v pair = __builtin_convertvector(low, u32v) | (__builtin_convertvector(high, u32v) << 16);
    memcpy(pairs + i, &pair, sizeof pair);
  }
}

/** A packed operand of bfloat16. */
FLASHMLA_INLINE const uint32_t* pairsOf(const float* packed) { return reinterpret_cast<const uint32_t*>(packed); }
FLASHMLA_INLINE bfloat16* narrowOf(float* packed) { return reinterpret_cast<bfloat16*>(packed); }

/** Packs the keys of packChunk positions of the key order, and their values; a task a chunk of a head. */
template <typename T>
void packKeys(const double* arguments, int64_t task, char*) {
  const AttentionArguments<T> a(arguments);
  const int64_t chunks = ceilDivide(a.keyRows, packChunk);
  const Head<T> head(a, task / chunks);
  const int64_t start = task % chunks * packChunk;
  const int64_t end = least(start + packChunk, a.keyRows);
  for (int64_t first = start; first < end; first += tileLanes) {
    const T* keys[tileLanes];
    const T* values[tileLanes];
    for (int64_t i = 0; i < tileLanes; i++) {
      const int64_t key = head.keyAt(first + i);
      keys[i] = head.keyRow(key);
      values[i] = head.valueRow(key);
      if (first + tileLanes < end) head.prefetchKey(head.keyAt(first + tileLanes + i));
    }
    if constexpr (hasTiles<T>) {
      if (a.tiled()) {
        for (int64_t i = 0; i < tileLanes; i++) {
          packKeyByTiles(keys[i], a.headDim, first + i, narrowOf(head.packedKeys));
          packValueByTiles(values[i], a.headDim, first + i, narrowOf(head.packedValues));
        }
        continue;
      }
    }
    if constexpr (hasPairs<T>) {
      if (a.paired()) {
        pairPanel(keys, a.headDim, head.packedKeys + first * a.keyWords());
        for (int64_t i = 0; i < tileLanes; i += 2) {
          pairRows(values[i], values[i + 1], a.headDim, head.packedValues + (first + i) * a.valueWords());
        }
        continue;
      }
    }
    packPanel(keys, a.headDim, head.packedKeys + first * a.headDim);
    if (!head.packedValues) continue;
    for (int64_t i = 0; i < tileLanes; i++) {
      copyRow(values[i], a.headDim, a.paddedDim(), 1.0f, head.packedValues + (first + i) * a.paddedDim());
    }
  }
}

/** sum[0 … width) += the rows, one after the other. */
template <typename T>
FLASHMLA_INLINE void addRows(float* sum, const T* const* rows, int64_t count, int64_t width) {
  const auto add = [&](f32v total, auto read) {
    for (int64_t r = 0; r < count; r++) total += read(rows[r]);
    return total;
  };
  eachVector(
      width, [&](int64_t i) { store(sum + i, add(load(sum + i), [&](const T* row) { return load(row + i); })); },
      [&](int64_t i, int64_t left) {
        storePart(sum + i, add(loadPart(sum + i, left), [&](const T* row) { return loadPart(row + i, left); }), left);
      });
}

/** sum[0 … width) += row */
template <typename T>
FLASHMLA_INLINE void addRow(float* sum, const T* row, int64_t width) {
  addRows(sum, &row, 1, width);
}

/** Adds a residual group's present keys and their values to the sums; returns how many there are. */
template <typename T>
int64_t addGroup(const Head<T>& head, int64_t group, float* keySum, float* valueSum) {
  constexpr int64_t together = 16;
  const AttentionArguments<T>& a = head.a;
  int64_t count = 0;
  const int64_t end = least((group + 1) * a.residualGroup, a.keys);
  for (int64_t start = group * a.residualGroup; start < end; start += together) {
    const T* keys[together];
    const T* values[together];
    int64_t present = 0;
    for (int64_t position = start; position < least(start + together, end); position++) {
      const int64_t key = head.keyAt(position);
      if (key < 0) continue;
      keys[present] = head.keyRow(key);
      values[present++] = head.valueRow(key);
      if (position + together >= end) continue;
      const int64_t next = head.keyAt(position + together);
      head.prefetchKey(next);
      head.prefetchValue(next);
    }
    addRows(keySum, keys, present, a.headDim);
    addRows(valueSum, values, present, a.headDim);
    count += present;
  }
  return count;
}

/** Packs a residual group: mean key, sum of values, count of present keys; a task a group row of a head. scratch: headDim float, paddedDim float */
template <typename T>
void packGroups(const double* arguments, int64_t task, char* scratch) {
  const AttentionArguments<T> a(arguments);
  const Head<T> head(a, task / a.groupRows);
  const int64_t group = task % a.groupRows;
  Scratch memory(scratch);
  float* keySum = memory.take<float>(a.headDim);
  float* valueSum = a.tiled() ? memory.take<float>(a.paddedDim()) : head.groupValues + group * a.paddedDim();
  memset(keySum, 0, static_cast<size_t>(a.headDim) * sizeof(float));
  memset(valueSum, 0, static_cast<size_t>(a.paddedDim()) * sizeof(float));
  const int64_t count = addGroup(head, group, keySum, valueSum);
  head.groupCounts[group] = static_cast<float>(count);
  head.groupCounts[a.groupRows + group] = log(splat(static_cast<float>(count)))[0];
  const float inverse = count > 0 ? 1.0f / static_cast<float>(count) : 0.0f;
  if constexpr (hasTiles<T>) {
    if (a.tiled()) {
      for (int64_t i = 0; i < a.headDim; i++) assign(narrowOf(head.groupKeys) + group * a.headDim + i, keySum[i] * inverse);
      // Most of a group's sum is taken away again where most of it is selected: 8 bits of it are too few, 16 are not.
      bfloat16* narrowed = reinterpret_cast<bfloat16*>(keySum);
      for (int part = 0; part < 2; part++) {
        for (int64_t i = 0; i < a.headDim; i++) {
          assign(narrowed + i, valueSum[i]);
          valueSum[i] -= widen(narrowed[i]);
        }
        packValueByTiles(narrowed, a.headDim, group, narrowOf(head.groupValues) + part * a.groupRows * a.headDim);
      }
      return;
    }
  }
  float* panel = head.groupKeys + group / tileLanes * tileLanes * a.keyWords();
  for (int64_t i = 0; i < a.headDim; i++) {
    const float mean = inverse * keySum[i];
    if (a.paired()) {
      assign(narrowOf(panel) + (i / 2 * tileLanes + group % tileLanes) * 2 + i % 2, mean);
    } else {
      panel[i * tileLanes + group % tileLanes] = mean;
    }
  }
}

#if FLASHMLA_BFLOAT16_PRODUCTS
/** weights [count / 2][16][2] from [count][16] */
FLASHMLA_INLINE void pairWeights(const float* weights, int64_t count, bfloat16* pairs) {
  for (int64_t c = 0; c < count; c += 2) {
    const u32v even = __builtin_convertvector(narrow(load(weights + c * 16)), u32v);
    const u32v odd = __builtin_convertvector(narrow(load(weights + c * 16 + 16)), u32v);
    const u32v pair = even | (odd << 16);
    memcpy(pairs + c * 16, &pair, sizeof pair);
  }
}
#endif

/** S[column][16]: what is done to a column is done to its vectors. */
template <typename Body>
FLASHMLA_INLINE void eachColumnVector(Body body) {
#pragma GCC unroll 4
  for (int v = 0; v < columnVectors; v++) body(v * lanes);
}
FLASHMLA_INLINE void fillColumn(float* column, float value) {
  eachColumnVector([&](int i) { store(column + i, splat(value)); });
}
FLASHMLA_INLINE void scaleColumn(float* column, float factor, float term) {
  eachColumnVector([&](int i) { store(column + i, load(column + i) * factor + term); });
}
/** column −= the sum of `count` columns */
FLASHMLA_INLINE void subtractColumns(float* column, const float* others, int64_t count) {
  eachColumnVector([&](int i) {
    f32v sum = load(others + i);
    for (int64_t c = 1; c < count; c++) sum += load(others + c * tileLanes + i);
    store(column + i, load(column + i) - sum);
  });
}

/** To bfloat16. */
FLASHMLA_INLINE void roundColumn(float* column) {
  eachColumnVector([&](int i) {
    store(column + i, bitsOf<f32v>(__builtin_convertvector(narrow(load(column + i)), u32v) << 16));
  });
}

/** The 16 queries of a tile, and what becomes of them. */
template <typename T>
struct QueryTile {
  const Head<T>& head;
  /** Positions [start, end) of the query order. */
  int64_t start, end;
  /** [headDim][16], or as products want them. */
  float* queries;
  /** [16][paddedDim] */
  float* sums;
  float* maxima;
  float* denominators;

  /** Elements of the scratch it takes. */
  static FLASHMLA_INLINE QueryTile take(const Head<T>& head, Scratch& memory) {
    const int64_t headDim = head.a.headDim;
    float* queries = memory.take<float>(tileLanes * headDim);
    float* sums = memory.take<float>(tileLanes * head.a.paddedDim());
    float* maxima = memory.take<float>(tileLanes);
    return {head, 0, 0, queries, sums, maxima, memory.take<float>(tileLanes)};
  }

  void begin(int64_t from, int64_t to) {
    start = from;
    end = to;
    const AttentionArguments<T>& a = head.a;
    const T* rows[tileLanes];
    for (int64_t lane = 0; lane < tileLanes; lane++) {
      rows[lane] = start + lane < end ? head.queries + head.queryAt(start + lane) * a.queryToken : nullptr;
    }
    if constexpr (hasTiles<T>) {
      if (a.tiled()) {
        for (int64_t lane = 0; lane < tileLanes; lane++) packQueryByTiles(rows[lane], a.headDim, lane, narrowOf(queries));
      }
    }
    if constexpr (hasPairs<T>) {
      if (a.paired()) pairPanel(rows, a.headDim, queries);
    }
    if (a.products == wideProducts) packPanel(rows, a.headDim, queries);
    memset(sums, 0, static_cast<size_t>(tileLanes * a.paddedDim()) * sizeof(float));
    fillColumn(maxima, -infinity);
    fillColumn(denominators, 0);
  }

  /** scores [panels · 16][16] = scale · keys in panels · queries */
  void score(const float* panels, int64_t count, float* scores) const {
    const int64_t headDim = head.a.headDim;
    for (int64_t panel = 0; panel < count; panel++) {
#if defined(__AMX_TILE__)
      if (hasTiles<T> && head.a.tiled()) {
        const bfloat16* keys = reinterpret_cast<const bfloat16*>(panels) + panel * tileLanes * headDim;
        scoreByTiles(keys, narrowOf(queries), headDim, head.a.scale, scores + panel * tileLanes * tileLanes);
        continue;
      }
#endif
      const float* keys = panels + panel * tileLanes * head.a.keyWords();
      float* to = scores + panel * tileLanes * tileLanes;
#if FLASHMLA_BFLOAT16_PRODUCTS
      if (head.a.paired()) {
        scorePanel<Bfloat16>(pairsOf(keys), pairsOf(queries), headDim / 2, to);
        continue;
      }
#endif
      scorePanel<Float32>(keys, queries, headDim, to);
    }
  }

  /** scores [16][16] = scale · keys [depth][16] · queries [depth][16] */
  template <typename Numbers>
  void scorePanel(const typename Numbers::Unit* keys, const typename Numbers::Unit* queries, int64_t depth, float* scores) const {
    using Unit = typename Numbers::Unit;
    constexpr int keyRows = lanes == 16 ? 16 : lanes == 8 ? 4 : 6;
    eachTile<keyRows>(tileLanes, [&](int64_t row, auto tile) {
      constexpr int height = decltype(tile)::of;
      f32v sum[height][columnVectors] = {};
      multiply<Numbers>(DepthMajor<tileLanes, Unit>{keys + row}, Panel<tileLanes, Unit>{queries}, depth, sum);
#pragma GCC unroll 16
      for (int r = 0; r < height; r++)
#pragma GCC unroll 4
        for (int v = 0; v < columnVectors; v++) store(scores + (row + r) * tileLanes + v * lanes, head.a.scale * sum[r][v]);
    });
  }

  /** sums += weights [count][16]ᵀ · value rows; `valuesAt` gives them from a column on. */
  template <typename Numbers = Float32, typename ValuesAt>
  void addValues(const typename Numbers::Unit* weights, ValuesAt valuesAt, int64_t count) const {
    const int64_t paddedDim = head.a.paddedDim();
    constexpr int height = lanes == 8 ? 4 : 6;
    constexpr int width = lanes == 16 ? 4 : lanes == 8 ? 2 : 4;
    for (int64_t column = 0; column < paddedDim; column += width * lanes) {
      eachTile<width>(least<int64_t>(width, (paddedDim - column) / lanes), [&](int64_t, auto vectors) {
        eachTile<height>(end - start, [&](int64_t row, auto tile) {
          constexpr int wide = decltype(vectors)::of;
          constexpr int high = decltype(tile)::of;
          f32v sum[high][wide];
          float* to = sums + row * paddedDim + column;
          for (int r = 0; r < high; r++) memcpy(sum[r], to + r * paddedDim, sizeof sum[r]);
          multiply<Numbers>(DepthMajor<tileLanes, typename Numbers::Unit>{weights + row}, valuesAt(column), count, sum);
          for (int r = 0; r < high; r++) memcpy(to + r * paddedDim, sum[r], sizeof sum[r]);
        });
      });
    }
  }

#if FLASHMLA_BFLOAT16_PRODUCTS
  /** The same in pairs: `valuesAt` gives pairs of rows. `pairs` is memory for as many weights, an even number. */
  template <typename ValuesAt>
  void addPairs(const float* weights, ValuesAt valuesAt, int64_t count, bfloat16* pairs) const {
    pairWeights(weights, count, pairs);
    addValues<Bfloat16>(reinterpret_cast<const uint32_t*>(pairs), valuesAt, count / 2);
  }
#endif

#if defined(__AMX_TILE__)
  /** The same by AMX, for whole blocks of 16 keys. `pairs` is memory for as many weights. */
  template <typename ValuesOf>
  void addTiles(const float* weights, ValuesOf valuesOf, int64_t blocks, bfloat16* pairs) const {
    pairWeights(weights, blocks * amxKeys, pairs);
    addValuesByTiles(valuesOf, blocks, pairs, head.a.headDim, sums);
  }
#endif

  /** Raises the maxima to those of `count` columns. */
  static void raiseMaxima(const float* scores, int64_t count, float* high) {
    eachColumnVector([&](int i) {
      // Four at a time: one waits for its result.
      f32v highest[4] = {load(high + i), splat(-infinity), splat(-infinity), splat(-infinity)};
      int64_t c = 0;
      for (; c + 4 <= count; c += 4) {
        for (int k = 0; k < 4; k++) highest[k] = larger(highest[k], load(scores + (c + k) * tileLanes + i));
      }
      for (; c < count; c++) highest[0] = larger(highest[0], load(scores + c * tileLanes + i));
      store(high + i, larger(larger(highest[0], highest[1]), larger(highest[2], highest[3])));
    });
  }

  /** Maxima that are still −∞ (nothing to attend to) become 0, so that e^(−∞ − maximum) is 0 and not NaN. */
  static void settle(float* high) {
    eachColumnVector([&](int i) { store(high + i, load(high + i) == -infinity ? f32v{} : load(high + i)); });
  }

  /** p = e^(s − maximum) in place; adds p to the denominators. */
  void exponentiate(float* scores, int64_t count, const float* high) const {
    eachColumnVector([&](int i) {
      const f32v highest = load(high + i);
      f32v sum = load(denominators + i);
      for (int64_t c = 0; c < count; c++) {
        const f32v p = exp(load(scores + c * tileLanes + i) - highest);
        store(scores + c * tileLanes + i, p);
        sum += p;
      }
      store(denominators + i, sum);
    });
  }

  /** Hides column `key` from the queries that lie before it. */
  void hide(float* column, int64_t key, const int32_t* limits) const {
    eachColumnVector([&](int i) {
      store(column + i, splat(static_cast<int32_t>(key)) > loadVector<i32v>(limits + i) ? splat(-infinity) : load(column + i));
    });
  }

  /** Last key that each of the 16 queries sees under the causal mask. */
  void causalLimits(int32_t* limits) const {
    const int64_t offset = head.a.keys - head.a.queries;
    for (int64_t lane = 0; lane < tileLanes; lane++) {
      limits[lane] = start + lane < end ? static_cast<int32_t>(head.queryAt(start + lane) + offset) : -1;
    }
  }

  /** From [headDim][16] to [16][headDim]. */
  void transposeSums() const {
#if defined(__AMX_TILE__)
    const int64_t headDim = head.a.headDim;
    float rows[tileLanes * maxTiledDim];
    for (int64_t i = 0; i < headDim; i += 16) transpose16(sums + i * tileLanes, tileLanes, rows + i, headDim);
    memcpy(sums, rows, static_cast<size_t>(tileLanes * headDim) * sizeof(float));
#endif
  }

  /** Divides the sums by the denominators and writes the rows, and lse = maximum + ln denominator. */
  void write() const {
    const AttentionArguments<T>& a = head.a;
    float logSums[tileLanes];
    if (hasTiles<T> && a.tiled()) transposeSums();
    eachColumnVector([&](int i) { store(logSums + i, load(maxima + i) + log(load(denominators + i))); });
    for (int64_t lane = 0; lane < end - start; lane++) {
      const int64_t query = head.queryAt(start + lane);
      const float inverse = denominators[lane] == 0 ? 0.0f : 1.0f / denominators[lane];
      const float* from = sums + lane * a.paddedDim();
      T* to = head.outputs + query * a.queryToken;
      eachVector(
          a.headDim, [&](int64_t i) { store(to + i, load(from + i) * inverse); },
          [&](int64_t i, int64_t left) { storePart(to + i, loadPart(from + i, left) * inverse, left); });
      head.lse[query] = logSums[lane];
    }
  }
};

/** Rows of headDim as whole vectors: where they lie, or, where they are no whole vectors, copies. */
template <typename T>
struct PaddedRows {
  int64_t headDim, paddedDim;
  const T** rows;
  /** [count][paddedDim], if rows have to be copied. */
  T* copies;
  /** paddedDim zeros, for what is absent. */
  const T* zeros;

  static FLASHMLA_INLINE PaddedRows take(int64_t headDim, Scratch& memory, int64_t count) {
    const int64_t paddedDim = roundUp(headDim, valueMultiple);
    const T** rows = memory.take<const T*>(count);
    T* zeros = memory.take<T>(paddedDim);
    memset(zeros, 0, static_cast<size_t>(paddedDim) * sizeof(T));
    return {headDim, paddedDim, rows, headDim == paddedDim ? nullptr : memory.take<T>(count * paddedDim), zeros};
  }

  /** @param row null where there is none */
  FLASHMLA_INLINE void set(int64_t at, const T* row) const {
    if (!row) {
      rows[at] = zeros;
    } else if (!copies) {
      rows[at] = row;
    } else {
      T* copy = copies + at * paddedDim;
      memcpy(copy, row, static_cast<size_t>(headDim) * sizeof(T));
      memset(copy + headDim, 0, static_cast<size_t>(paddedDim - headDim) * sizeof(T));
      rows[at] = copy;
    }
  }
};

}  // namespace FLASHMLA_ARCHITECTURE
}  // namespace flashmla
