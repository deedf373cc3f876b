// sparse-attention: over the keys that a list names for a tile of queries, and over a stand-in for each residual group.
// Nothing is copied into order first: rows are gathered where they lie.
//
// Three shapes of work. A query with a list of its own: a warp, which reads each row once. A tile of up to 16 queries: in
// half precision one warp, or several that share its keys out and join their sums. Larger tiles: a block, or as several of
// these. Where the grid would be too small, keys and stand-ins are split over blocks, too (parts.cuh, merge-splits.cu).

#include "simt-attention.cuh"
#include "sparse-attention.cuh"
#include "tensor-core-attention.cuh"

// ---- a list for each query ----
// LANES lanes read a row, four features a vector; the others read other rows. Each such stream has its own softmax, and they
// are joined in the end.

template <typename T, int HEAD_DIM>
struct QueryAttention {
  static constexpr int LANES = HEAD_DIM / 4 < 32 ? HEAD_DIM / 4 : 32;
  static constexpr int VECTORS = HEAD_DIM / 4 / LANES;
  static constexpr int STREAMS = 32 / LANES;

  float maximum = -INFINITE, total = 0.0f;
  float4 of_query[VECTORS], sums[VECTORS];

  static DEVICE int feature_of(int vector) { return (int(threadIdx.x) % LANES + vector * LANES) * 4; }
  static DEVICE int stream() { return int(threadIdx.x) % 32 / LANES; }

  /** Adds a key of this lane's stream; every lane of the warp must call it, with −∞ for none. */
  DEVICE void add(float logit, const float4 (&value)[VECTORS]) {
    const float largest = fmaxf(maximum, logit);
    const float base = softmax_base(largest);
    const float shrink = exp2f(maximum - base);
    const float weight = exp2f(logit - base);
    maximum = largest;
    total = total * shrink + weight;
#pragma unroll
    for (int v = 0; v < VECTORS; v++) {
      scale4(sums[v], shrink);
      add4(sums[v], weight, value[v]);
    }
  }

  DEVICE float dot(const float4 (&of_key)[VECTORS]) const {
    float sum = 0.0f;
#pragma unroll
    for (int v = 0; v < VECTORS; v++) sum += dot4(of_query[v], of_key[v]);
    return lanes_sum<LANES>(sum);
  }

  DEVICE void run(const SparseProblem<T>& problem, int index) {
    const AttentionSizes& sizes = problem.sizes;
    const SparseTile<T> tile = SparseTile<T>::of(problem, index, 1);
    const ListedKeys<T> listed = tile.listed();
    const int number = tile.query_of(0);
    // Four features from `from`, or zeros.
    const auto load = [&](const T* from, int v, bool there) {
      return there && feature_of(v) < sizes.head_dim ? load4(from + feature_of(v)) : zero4();
    };
#pragma unroll
    for (int v = 0; v < VECTORS; v++) {
      of_query[v] = load(problem.query + tile.query_start(number), v, true);
      sums[v] = zero4();
    }
    float4 of_key[VECTORS], of_value[VECTORS];
    const Part positions = Part::of<STREAMS>(listed.entries * problem.block_keys);
#pragma unroll 2
    for (int start = positions.begin; start < positions.end; start += STREAMS) {
      const int at = start + stream();
      const int token = at < positions.end ? listed.token_at(at) : -1;
      const size_t row = size_t(max(token, 0)) * listed.token_stride;
#pragma unroll
      for (int v = 0; v < VECTORS; v++) {
        of_key[v] = load(listed.key + row, v, token >= 0);
        of_value[v] = load(listed.value + row, v, token >= 0);
      }
      const float logit = dot(of_key) * sizes.scale;
      add(token >= 0 && sizes.sees(number, token) ? logit : -INFINITE, of_value);
    }
    const StandIns<T> stand_ins = tile.stand_ins(listed);
    const Part groups = Part::of<STREAMS>(problem.group_count);
    for (int start = groups.begin; start < groups.end; start += STREAMS) {
      const int group = start + stream();
      int left = 0;
      typename StandIns<T>::Named named = {};
      if (group < groups.end) {
        named = stand_ins.named_of(group);
        left = stand_ins.left_of(group, named);
      }
#pragma unroll
      for (int v = 0; v < VECTORS; v++) {
        const bool there = left > 0 && feature_of(v) < sizes.head_dim;
        of_key[v] = there ? stand_ins.mean4(group, named, left, 0, feature_of(v)) : zero4();
        of_value[v] = there ? stand_ins.mean4(group, named, left, 1, feature_of(v)) : zero4();
      }
      const float logit = dot(of_key) * sizes.scale;
      add(left > 0 ? logit + log2f(float(left)) : -INFINITE, of_value);
    }
    join_streams();
    if (stream() > 0) return;
#pragma unroll
    for (int v = 0; v < VECTORS; v++) {
      if (feature_of(v) < sizes.head_dim) tile.store_sums(number, feature_of(v), sums[v], total);
    }
    if (threadIdx.x % 32 == 0) tile.store_softmax(number, maximum, total);
  }

  DEVICE void join_streams() {
#pragma unroll
    for (int flip = LANES; flip < 32; flip *= 2) {
      const float other = __shfl_xor_sync(whole_warp, maximum, flip);
      const float largest = fmaxf(maximum, other);
      const float shrink = exp2f(maximum - softmax_base(largest));
      maximum = largest;
      const auto join = [&](float& own) {
        own *= shrink;
        own += __shfl_xor_sync(whole_warp, own, flip);
      };
      join(total);
#pragma unroll
      for (int v = 0; v < VECTORS; v++) {
        join(sums[v].x);
        join(sums[v].y);
        join(sums[v].z);
        join(sums[v].w);
      }
    }
  }
};

#define SPARSE_QUERIES(type, suffix, head_width)                                                              \
  KERNEL(sparse_queries_##suffix##_##head_width, 128, SPARSE_PARAMETERS(type)) {                              \
    const auto problem = SPARSE_PROBLEM(type);                                                                \
    const int index = int(blockIdx.x) * 4 + threadIdx.x / 32;                                                 \
    if (index < row_count * queries) QueryAttention<type, head_width>().run(problem, index);                       \
  }
#define SPARSE_QUERIES_OF(type, suffix) \
  SPARSE_QUERIES(type, suffix, 64)      \
  SPARSE_QUERIES(type, suffix, 128)     \
  SPARSE_QUERIES(type, suffix, 256)

SPARSE_QUERIES_OF(float, f32)
SPARSE_QUERIES_OF(float16, f16)
SPARSE_QUERIES_OF(bfloat16, bf16)
#undef SPARSE_QUERIES_OF
#undef SPARSE_QUERIES

// ---- tiles, float32 ----

template <int ROWS, int HEAD_DIM>
DEVICE void sparse_tiles_simt(const SparseProblem<float>& problem) {
  using Attention = SimtAttention<ROWS, HEAD_DIM>;
  constexpr int CHUNK = Attention::CHUNK;
  DYNAMIC_SHARED(shared);
  SHARED(StandIns<float>::Named, named, CHUNK);
  SHARED(int, left, CHUNK);
  Attention attention(shared);
  const AttentionSizes& sizes = problem.sizes;
  const SparseTile<float> tile = SparseTile<float>::of(problem, blockIdx.x, ROWS);
  const ListedKeys<float> listed = tile.listed();
  const auto query_of = [&](int row) { return tile.query_of(row); };
  attention.load_queries(sizes.head_dim, [&](int row) { return problem.query + tile.query_start(query_of(row)); });

  const Part positions = Part::of<CHUNK>(listed.entries * problem.block_keys);
  for (int start = positions.begin; start < positions.end; start += CHUNK) {
    __syncthreads();
    for (int at = threadIdx.x; at < CHUNK; at += Attention::THREADS) {
      attention.tokens[at] = start + at < positions.end ? listed.token_at(start + at) : -1;
      attention.bias[at] = 0.0f;
    }
    __syncthreads();
    attention.load_chunk(sizes.head_dim, listed.key, listed.value, listed.token_stride);
    __syncthreads();
    attention.add_chunk(sizes, query_of);
  }

  const StandIns<float> stand_ins = tile.stand_ins(listed);
  const Part groups = Part::of<CHUNK>(problem.group_count);
  for (int start = groups.begin; start < groups.end; start += CHUNK) {
    __syncthreads();
    for (int at = threadIdx.x; at < CHUNK; at += Attention::THREADS) {
      const int group = start + at;
      left[at] = 0;
      if (group < groups.end) {
        named[at] = stand_ins.named_of(group);
        left[at] = stand_ins.left_of(group, named[at]);
      }
      // A stand-in is seen by all queries: there is no residual in causal attention.
      attention.tokens[at] = left[at] > 0 ? 0 : -1;
      attention.bias[at] = left[at] > 0 ? log2f(float(left[at])) : 0.0f;
    }
    __syncthreads();
    const int vectors = sizes.head_dim / 4;
    for (int i = threadIdx.x; i < 2 * CHUNK * vectors; i += Attention::THREADS) {
      const int at = i / 2 / vectors;
      const int part = i / vectors % 2;
      const int feature = i % vectors * 4;
      const float4 mean =
          left[at] > 0 ? stand_ins.mean4(start + at, named[at], left[at], part, feature) : zero4();
      store4((part == 0 ? attention.keys : attention.values) + at * Attention::STRIDE + feature, mean);
    }
    __syncthreads();
    attention.add_chunk(sizes, query_of);
  }

  attention.finish(
      sizes.head_dim,
      [&](int row, int feature, float4 sums, float total) {
        if (tile.has(row)) tile.store_sums(query_of(row), feature, sums, total);
      },
      [&](int row, float maximum, float total) {
        if (tile.has(row)) tile.store_softmax(query_of(row), maximum, total);
      });
}

// Named by the most rows of a block, as in src/kernels/attention.ts. A multiprocessor has registers for `blocks` of them
// without spills; the compiler by itself makes room for 5 to 8 blocks of 16 queries, and spills up to 404 bytes.
#define SPARSE_TILES(tile_rows, head_width, blocks)                                                        \
  RESIDENT_KERNEL(sparse_tiles_f32_##tile_rows##_##head_width, 128, blocks, SPARSE_PARAMETERS(float)) {    \
    sparse_tiles_simt<tile_rows, head_width>(SPARSE_PROBLEM(float));                                       \
  }

SPARSE_TILES(16, 64, 4)
SPARSE_TILES(16, 128, 4)
SPARSE_TILES(16, 256, 4)
SPARSE_TILES(64, 64, 3)
SPARSE_TILES(32, 128, 3)
#undef SPARSE_TILES

// ---- tiles, float16 and bfloat16 ----
// A block has TEAMS teams of WARPS warps. Where a tile is a block's, its teams take every TEAMS-th chunk and join in the end
// (SHARED_TILE); otherwise each team has a tile, or part of one, of its own.

template <typename T, int HEAD_DIM, int WARPS, int CHUNK, int TEAMS, bool SHARED_TILE>
struct SparseTensorCore {
  using Attention = TensorCoreAttention<T, HEAD_DIM, WARPS, CHUNK>;
  static constexpr int ROWS = Attention::ROWS;
  /** Teams among which a tile's chunks are shared out. */
  static constexpr int SHARES = SHARED_TILE ? TEAMS : 1;
  static_assert(!SHARED_TILE || WARPS == 1, "rows are joined warp by warp");

  static DEVICE void run(const SparseProblem<T>& problem) {
    DYNAMIC_SHARED(shared);
    const AttentionSizes& sizes = problem.sizes;
    const int team = threadIdx.x / Attention::THREADS;
    const int share = SHARED_TILE ? team : 0;
    const int parts = (problem.tile_queries + ROWS - 1) / ROWS;
    const int index = SHARED_TILE ? int(blockIdx.x) : int(blockIdx.x) * TEAMS + team;
    // Whole teams end here, and only where none waits for another.
    if (index >= problem.row_count * problem.tiles() * parts) return;
    const SparseTile<T> tile = SparseTile<T>::of(problem, index, ROWS);
    const ListedKeys<T> listed = tile.listed();
    Attention attention(shared + team * Attention::BYTES);
    attention.load_queries(sizes.head_dim, problem.query, [&](int row) {
      return tile.has(row) ? problem.query + tile.query_start(tile.query_of(row)) : nullptr;
    });
    const int of_queries[2] = {tile.query_of(Attention::row_of(0)), tile.query_of(Attention::row_of(1))};

    const Part positions = Part::of<CHUNK>(listed.entries * problem.block_keys);
    const int chunks = (positions.end - positions.begin + CHUNK - 1) / CHUNK;
    const int count = SHARED_TILE ? (chunks + SHARES - 1 - share) / SHARES * CHUNK : positions.end - positions.begin;
    attention.add_keys(sizes, of_queries, listed.key, listed.value, count,
                       [&](int chunk, int at) {
                         const int place = positions.begin + (chunk * SHARES + share) * CHUNK + at;
                         return place < positions.end ? listed.token_at(place) : -1;
                       });

    const StandIns<T> stand_ins = tile.stand_ins(listed);
    const Part groups = Part::of<CHUNK>(problem.group_count);
    for (int start = groups.begin + share * CHUNK; start < groups.end; start += SHARES * CHUNK) {
      attention.add_made(
          sizes, of_queries, groups.end - start,
          [&](int at) {
            const int group = start + at;
            typename StandIns<T>::Named named = {};
            int left = 0;
            if (group < groups.end) {
              named = stand_ins.named_of(group);
              left = stand_ins.left_of(group, named);
            }
            // A stand-in is seen by all queries: there is no residual in causal attention. Its number says for how many keys it
            // stands, and what the list names of it is where the next chunks' numbers would be.
            attention.tokens_of(0)[at] = left > 0 ? left : -1;
            attention.bias_of(0)[at] = left > 0 ? log2f(float(left)) : 0.0f;
            attention.tokens_of(1)[at] = named.first;
            attention.tokens_of(2)[at] = named.end;
          },
          [&](int at, int part, int feature) {
            return stand_ins.mean4(start + at, {attention.tokens_of(1)[at], attention.tokens_of(2)[at]},
                                   attention.tokens_of(0)[at], part, feature);
          });
    }
    attention.finish();
    if constexpr (SHARED_TILE) {
      join(attention, tile, shared, team);
    } else {
      store(attention, tile, of_queries);
    }
  }

  static DEVICE void store(const Attention& attention, const SparseTile<T>& tile, const int (&of_queries)[2]) {
    const SparseProblem<T>& problem = tile.problem;
    const bool has[2] = {tile.has(Attention::row_of(0)), tile.has(Attention::row_of(1))};
#pragma unroll
    for (int half = 0; half < 2; half++) {
      if (!has[half] || Attention::lane() % 4 > 0) continue;
      tile.store_softmax(of_queries[half], attention.maximum[half], attention.total[half]);
    }
    const float factors[2] = {softmax_factor(attention.total[0]), softmax_factor(attention.total[1])};
    attention.each_pair(problem.sizes.head_dim, [&](int half, int feature, float first, float second) {
      if (!has[half]) return;
      if (gridDim.y > 1) {
        *reinterpret_cast<float2*>(tile.part_of(of_queries[half]) + feature) = make_float2(first, second);
      } else {
        store2(problem.output + tile.query_start(of_queries[half]) + feature, first * factors[half],
               second * factors[half]);
      }
    });
  }

  /** Joins what the teams of a tile have: each leaves its sums in its own shared memory, then each has some of the rows. */
  static DEVICE void join(const Attention& attention, const SparseTile<T>& tile, unsigned char* shared, int team) {
    constexpr int WIDTH = HEAD_DIM + 4;
    static_assert(ROWS * WIDTH * 4 <= Attention::BYTES, "sums fit where keys were");
    const SparseProblem<T>& problem = tile.problem;
    const auto sums_of = [&](int other, int row) {
      return reinterpret_cast<float*>(shared + other * Attention::BYTES) + row * WIDTH;
    };
    // Fragments that other lanes of the warp still load.
    __syncwarp();
    attention.each_pair(HEAD_DIM, [&](int half, int feature, float first, float second) {
      *reinterpret_cast<float2*>(sums_of(team, Attention::row_of(half)) + feature) = make_float2(first, second);
    });
#pragma unroll
    for (int half = 0; half < 2; half++) {
      if (Attention::lane() % 4 > 0) continue;
      float* const to = sums_of(team, Attention::row_of(half)) + HEAD_DIM;
      to[0] = attention.maximum[half];
      to[1] = attention.total[half];
    }
    __syncthreads();
    for (int row = team; row < ROWS; row += TEAMS) {
      if (!tile.has(row)) continue;
      float maximum = -INFINITE;
#pragma unroll
      for (int other = 0; other < TEAMS; other++) maximum = fmaxf(maximum, sums_of(other, row)[HEAD_DIM]);
      float total = 0.0f;
      float weights[TEAMS];
#pragma unroll
      for (int other = 0; other < TEAMS; other++) {
        weights[other] = exp2f(sums_of(other, row)[HEAD_DIM] - softmax_base(maximum));
        total += weights[other] * sums_of(other, row)[HEAD_DIM + 1];
      }
      const int number = tile.query_of(row);
      if (Attention::lane() == 0) tile.store_softmax(number, maximum, total);
      for (int feature = Attention::lane() * 4; feature < problem.sizes.head_dim; feature += 128) {
        float4 sum = zero4();
#pragma unroll
        for (int other = 0; other < TEAMS; other++) add4(sum, weights[other], load4(sums_of(other, row) + feature));
        tile.store_sums(number, feature, sum, total);
      }
    }
  }
};

// Named by the queries of a team and how many teams share a tile. `blocks` as above, or 1 where shared memory, too, has no room
// for more on compute capability 8.0.
#define SPARSE_TILES(type, suffix, rows, shares, head_width, warps, chunk, teams, blocks)                      \
  RESIDENT_KERNEL(sparse_tiles_##suffix##_##rows##_by##shares##_##head_width, warps * 32 * teams, blocks,      \
                  SPARSE_PARAMETERS(type)) {                                                                   \
    SparseTensorCore<type, head_width, warps, chunk, teams, (shares > 1)>::run(SPARSE_PROBLEM(type));          \
  }
#define SPARSE_TILES_OF(type, suffix)                   \
  SPARSE_TILES(type, suffix, 16, 4, 64, 1, 16, 4, 4)    \
  SPARSE_TILES(type, suffix, 16, 4, 128, 1, 16, 4, 1)   \
  SPARSE_TILES(type, suffix, 16, 2, 256, 1, 16, 2, 1)   \
  SPARSE_TILES(type, suffix, 16, 1, 64, 1, 16, 4, 4)    \
  SPARSE_TILES(type, suffix, 16, 1, 128, 1, 16, 4, 1)   \
  SPARSE_TILES(type, suffix, 64, 1, 64, 4, 64, 1, 3)    \
  SPARSE_TILES(type, suffix, 64, 1, 128, 4, 32, 1, 2)   \
  SPARSE_TILES(type, suffix, 64, 1, 256, 4, 16, 1, 2)

SPARSE_TILES_OF(float16, f16)
SPARSE_TILES_OF(bfloat16, bf16)
#undef SPARSE_TILES_OF
#undef SPARSE_TILES
