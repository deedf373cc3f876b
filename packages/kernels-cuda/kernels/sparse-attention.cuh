// Which queries a block of sparse attention has, and what they attend to.
#pragma once
#include "selection.cuh"

// The arguments of every sparse attention kernel; SPARSE_PROBLEM makes the struct of them. `row_count` is batch · heads.
#define SPARSE_PARAMETERS(type)                                                                                    \
  (const type* query, const type* key, const type* value, const unsigned char* key_mask, const int* key_order,     \
   const int* query_order, const int* lists, const float* groups, type* output, float* lse, float* partial,        \
   ATTENTION_WORDS, int row_count, int tile_queries, int block_keys, int slots, int group_keys, int group_count)
#define SPARSE_PROBLEM(type)                                                                                   \
  SparseProblem<type> {                                                                                        \
    query, key, value, key_mask, key_order, query_order, lists, groups, output, lse, partial, ATTENTION_SIZES, \
        row_count, tile_queries, block_keys, slots, group_keys, group_count                                         \
  }

template <typename T>
struct SparseProblem {
  const T *query, *key, *value;
  const unsigned char* key_mask;
  const int *key_order, *query_order, *lists;
  const float* groups;
  T* output;
  float *lse, *partial;
  AttentionSizes sizes;
  int row_count, tile_queries, block_keys, slots, group_keys, group_count;

  DEVICE int tiles() const { return (sizes.queries + tile_queries - 1) / tile_queries; }
};

/** A tile, or the part of one that a block takes on: ROWS queries or fewer. `row` counts over batch and heads. */
template <typename T>
struct SparseTile {
  const SparseProblem<T>& problem;
  int row, tile, first_in_tile;
  size_t queries_start;

  DEVICE SparseTile(const SparseProblem<T>& problem, int row, int tile, int first_in_tile)
      : problem(problem), row(row), tile(tile), first_in_tile(first_in_tile),
        queries_start(problem.sizes.of_queries.head_start(row, problem.sizes.heads)) {}

  /** Part number `index`, of parts of `rows` queries. */
  static DEVICE SparseTile of(const SparseProblem<T>& problem, int index, int rows) {
    const int parts = (problem.tile_queries + rows - 1) / rows;
    const int tiles = problem.tiles();
    return SparseTile(problem, index / parts / tiles, index / parts % tiles, index % parts * rows);
  }

  DEVICE bool has(int own) const {
    return first_in_tile + own < problem.tile_queries &&
           tile * problem.tile_queries + first_in_tile + own < problem.sizes.queries;
  }

  /** The number of a query; of the last one where there is none. */
  DEVICE int query_of(int own) const {
    const int place = min(tile * problem.tile_queries + first_in_tile + own, problem.sizes.queries - 1);
    return problem.query_order ? problem.query_order[size_t(row) * problem.sizes.queries + place] : place;
  }

  DEVICE size_t query_start(int number) const {
    return queries_start + size_t(number) * problem.sizes.of_queries.token;
  }

  /** Where this part's sums of a query stand, when its keys are split. */
  DEVICE float* part_of(int number) const { return part_of_query(problem.partial, problem.sizes, row, number); }

  /** Stores four sums of a query: what they come to, or as they are where its keys are split. */
  DEVICE void store_sums(int number, int feature, float4 sums, float total) const {
    if (gridDim.y > 1) return store4(part_of(number) + feature, sums);
    scale4(sums, softmax_factor(total));
    store4(problem.output + query_start(number) + feature, sums);
  }

  DEVICE void store_softmax(int number, float maximum, float total) const {
    if (gridDim.y > 1) {
      float* const to = part_of(number) + problem.sizes.head_dim;
      to[0] = maximum;
      to[1] = total;
    } else {
      problem.lse[size_t(row) * problem.sizes.queries + number] = log_sum_exp(maximum, total);
    }
  }

  DEVICE ListedKeys<T> listed() const {
    const AttentionSizes& sizes = problem.sizes;
    const size_t start = sizes.of_keys.head_start(row, sizes.heads);
    const int* const list = problem.lists + (size_t(row) * problem.tiles() + tile) * (problem.slots + 1);
    return {
        problem.key + start,
        problem.value + start,
        sizes.of_keys.token,
        problem.key_mask ? problem.key_mask + size_t(row / sizes.heads) * sizes.keys : nullptr,
        problem.key_order ? problem.key_order + size_t(row) * sizes.keys : nullptr,
        sizes.keys,
        problem.block_keys,
        list + 1,
        list[0],
    };
  }

  DEVICE StandIns<T> stand_ins(const ListedKeys<T>& listed) const {
    const int width = 2 * problem.sizes.head_dim + 4;
    return {listed, problem.groups + size_t(row) * problem.group_count * width, problem.sizes.head_dim, problem.group_keys};
  }
};
