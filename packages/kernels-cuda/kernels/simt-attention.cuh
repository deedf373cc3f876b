// Attention of a tile of ROWS queries on the ordinary cores, in float32, over keys that come in chunks: online softmax
// (Milakov & Gimelshein 2018, arXiv 1805.02867). 128 threads: 16 groups of 8 lanes; a group has the rows group, group + 16, …,
// a lane each eighth key of a chunk and each eighth vector of the output. What a warp writes for its rows no other one reads.
//
// Shared memory: (ROWS + 2 · CHUNK) · (HEAD_DIM + 4) + ROWS · (CHUNK + 4) + 2 · CHUNK words; src/kernels/attention.ts counts
// the same. Vectors beyond head_dim are summed and never stored.
#pragma once
#include "attention.cuh"
#include "reduce.cuh"

template <int ROWS, int HEAD_DIM>
struct SimtAttention {
  static constexpr int THREADS = 128;
  static constexpr int LANES = 8;
  static constexpr int CHUNK = HEAD_DIM <= 64 ? 32 : HEAD_DIM <= 128 ? 16 : 8;
  static constexpr int STRIDE = HEAD_DIM + 4;
  static constexpr int OWN_ROWS = ROWS / 16;
  static constexpr int OWN_KEYS = CHUNK / LANES;
  static constexpr int OWN_VECTORS = HEAD_DIM / 4 / LANES;

  float *queries, *keys, *values, *weights, *bias;
  /** Key numbers of the chunk; −1 for what is not there. */
  int* tokens;
  float maximum[OWN_ROWS], total[OWN_ROWS];
  float4 sums[OWN_ROWS][OWN_VECTORS];

  DEVICE explicit SimtAttention(unsigned char* shared) {
    queries = reinterpret_cast<float*>(shared);
    keys = queries + ROWS * STRIDE;
    values = keys + CHUNK * STRIDE;
    weights = values + CHUNK * STRIDE;
    bias = weights + ROWS * (CHUNK + 4);
    tokens = reinterpret_cast<int*>(bias + CHUNK);
    for (int i = 0; i < OWN_ROWS; i++) {
      maximum[i] = -INFINITE;
      total[i] = 0.0f;
      for (int v = 0; v < OWN_VECTORS; v++) sums[i][v] = zero4();
    }
  }

  static DEVICE int lane() { return threadIdx.x % LANES; }
  static DEVICE int row_of(int own) { return int(threadIdx.x) / LANES + 16 * own; }

  /** `row_at(row)` is where a query lies. */
  template <typename RowAt>
  DEVICE void load_queries(int head_dim, const RowAt& row_at) {
    const int vectors = head_dim / 4;
    for (int i = threadIdx.x; i < ROWS * vectors; i += THREADS) {
      store4(queries + i / vectors * STRIDE + i % vectors * 4, load4(row_at(i / vectors) + i % vectors * 4));
    }
  }

  /** Keys and values that `tokens` names, from the head's first; zeros for −1, whatever lies there. */
  DEVICE void load_chunk(int head_dim, const float* key, const float* value, int token_stride) {
    const int vectors = head_dim / 4;
    for (int i = threadIdx.x; i < CHUNK * vectors; i += THREADS) {
      const int token = tokens[i / vectors];
      const size_t from = size_t(token) * token_stride + i % vectors * 4;
      const int to = i / vectors * STRIDE + i % vectors * 4;
      store4(keys + to, token < 0 ? zero4() : load4(key + from));
      store4(values + to, token < 0 ? zero4() : load4(value + from));
    }
  }

  /** Adds the chunk. `query_of(row)` is a query's number; barriers before and after are the caller's. */
  template <typename QueryOf>
  DEVICE void add_chunk(const AttentionSizes& sizes, const QueryOf& query_of) {
    float logits[OWN_ROWS][OWN_KEYS] = {};
#pragma unroll 4
    for (int v = 0; v < sizes.head_dim / 4; v++) {
      float4 of_keys[OWN_KEYS];
#pragma unroll
      for (int j = 0; j < OWN_KEYS; j++) of_keys[j] = load4(keys + (lane() + j * LANES) * STRIDE + v * 4);
#pragma unroll
      for (int i = 0; i < OWN_ROWS; i++) {
        const float4 of_query = load4(queries + row_of(i) * STRIDE + v * 4);
#pragma unroll
        for (int j = 0; j < OWN_KEYS; j++) logits[i][j] += dot4(of_query, of_keys[j]);
      }
    }
#pragma unroll
    for (int i = 0; i < OWN_ROWS; i++) {
      float largest = maximum[i];
#pragma unroll
      for (int j = 0; j < OWN_KEYS; j++) {
        const int at = lane() + j * LANES;
        const bool seen = tokens[at] >= 0 && sizes.sees(query_of(row_of(i)), tokens[at]);
        logits[i][j] = seen ? logits[i][j] * sizes.scale + bias[at] : -INFINITE;
        largest = fmaxf(largest, logits[i][j]);
      }
      largest = lanes_max<LANES>(largest);
      const float base = softmax_base(largest);
      const float shrink = exp2f(maximum[i] - base);
      maximum[i] = largest;
      total[i] *= shrink;
#pragma unroll
      for (int v = 0; v < OWN_VECTORS; v++) scale4(sums[i][v], shrink);
#pragma unroll
      for (int j = 0; j < OWN_KEYS; j++) {
        const float weight = exp2f(logits[i][j] - base);
        total[i] += weight;
        weights[row_of(i) * (CHUNK + 4) + lane() + j * LANES] = weight;
      }
    }
    __syncwarp();
#pragma unroll 4
    for (int at = 0; at < CHUNK; at++) {
      float4 of_key[OWN_VECTORS];
#pragma unroll
      for (int v = 0; v < OWN_VECTORS; v++) of_key[v] = load4(values + at * STRIDE + (lane() + v * LANES) * 4);
#pragma unroll
      for (int i = 0; i < OWN_ROWS; i++) {
        const float weight = weights[row_of(i) * (CHUNK + 4) + at];
#pragma unroll
        for (int v = 0; v < OWN_VECTORS; v++) add4(sums[i][v], weight, of_key[v]);
      }
    }
  }

  /** Calls `store(row, feature, four, total)` with each vector of the sums, and `store_lse(row, maximum, total)` once a row. */
  template <typename Store, typename StoreLse>
  DEVICE void finish(int head_dim, const Store& store, const StoreLse& store_lse) {
#pragma unroll
    for (int i = 0; i < OWN_ROWS; i++) {
      const float all = lanes_sum<LANES>(total[i]);
      if (lane() == 0) store_lse(row_of(i), maximum[i], all);
#pragma unroll
      for (int v = 0; v < OWN_VECTORS; v++) {
        const int feature = (lane() + v * LANES) * 4;
        if (feature < head_dim) store(row_of(i), feature, sums[i][v], all);
      }
    }
  }
};
