// Attention of a tile of queries on tensor cores, in half precision with float32 sums, over keys that come in chunks (after
// FlashAttention-2, Dao 2023, arXiv 2307.08691): the logits' fragments become, rounded, the weights' without leaving registers.
//
// A team of WARPS warps shares CHUNK keys at a time; each warp has 16 queries. The next chunk is on its way while one is
// multiplied. Teams of one warp need no barrier of the block.
//
// Shared memory of a team: queries, then two stages of keys and values, in rows of HEAD_DIM + 8 elements, so that no two rows
// of a fragment meet in a bank; then three sets of key numbers and biases. src/kernels/attention.ts counts the same.
#pragma once
#include "attention.cuh"
#include "reduce.cuh"
#include "tensor-core.cuh"

template <typename T, int HEAD_DIM, int WARPS, int CHUNK>
struct TensorCoreAttention {
  static constexpr int THREADS = WARPS * 32;
  static constexpr int ROWS = WARPS * 16;
  static constexpr int STRIDE = HEAD_DIM + 8;
  static constexpr int ELEMENTS = (ROWS + 4 * CHUNK) * STRIDE;
  static constexpr int BYTES = ELEMENTS * 2 + 3 * CHUNK * 8;
  /** Query fragments stay in registers where those suffice. */
  static constexpr bool HOLDS_QUERIES = HEAD_DIM <= 128;

  T *queries, *stages;
  /** Key numbers of a chunk, −1 for what is not there, and what is added to its logits. */
  int* facts;
  /** Of this thread's rows: number lane / 4 of its warp's, and 8 further. */
  float maximum[2] = {-INFINITE, -INFINITE}, total[2] = {};
  float sums[HEAD_DIM / 8][4] = {};
  unsigned held[HOLDS_QUERIES ? HEAD_DIM / 16 : 1][4];

  /** `shared` is the team's. */
  DEVICE explicit TensorCoreAttention(unsigned char* shared) {
    queries = reinterpret_cast<T*>(shared);
    stages = queries + ROWS * STRIDE;
    facts = reinterpret_cast<int*>(queries + ELEMENTS);
  }

  static DEVICE int thread() { return threadIdx.x % THREADS; }
  static DEVICE int lane() { return threadIdx.x % 32; }
  static DEVICE int warp() { return thread() / 32; }
  static DEVICE int row_of(int half) { return warp() * 16 + lane() / 4 + half * 8; }
  static DEVICE void synchronize() {
    if constexpr (WARPS == 1) __syncwarp();
    else __syncthreads();
  }

  DEVICE T* keys_of(int stage) const { return stages + stage * 2 * CHUNK * STRIDE; }
  DEVICE T* values_of(int stage) const { return keys_of(stage) + CHUNK * STRIDE; }
  DEVICE int* tokens_of(int set) const { return facts + set * 2 * CHUNK; }
  DEVICE float* bias_of(int set) const { return reinterpret_cast<float*>(tokens_of(set) + CHUNK); }

  /**
   * Begins to copy COUNT rows; `from(row)` is where one lies, null for zeros. Zeros also follow head_dim: they are multiplied.
   */
  template <int COUNT, typename From>
  DEVICE void begin_rows(T* to, int head_dim, const T* any, const From& from) {
    constexpr int PIECES = HEAD_DIM / 8;
#pragma unroll
    for (int start = 0; start < COUNT * PIECES; start += THREADS) {
      const int row = (start + thread()) / PIECES;
      const int at = (start + thread()) % PIECES * 8;
      const T* const source = from(row);
      T* const target = to + row * STRIDE + at;
      if (head_dim % 8 == 0) {
        const bool there = source && at < head_dim;
        copy16_async(target, there ? source + at : any, there);
      } else {
        const bool there[2] = {source && at < head_dim, source && at + 4 < head_dim};
        copy8_async(target, there[0] ? source + at : any, there[0]);
        copy8_async(target + 4, there[1] ? source + at + 4 : any, there[1]);
      }
    }
  }

  /** `row_at(row)` is where a query lies. */
  template <typename RowAt>
  DEVICE void load_queries(int head_dim, const T* any, const RowAt& row_at) {
    begin_rows<ROWS>(queries, head_dim, any, row_at);
    copies_commit();
    copies_wait<0>();
    synchronize();
    if constexpr (HOLDS_QUERIES) {
#pragma unroll
      for (int step = 0; step < HEAD_DIM / 16; step++) load_query(held[step], step);
    }
  }

  DEVICE void load_query(unsigned (&fragment)[4], int step) const {
    load_matrices(fragment, queries + (warp() * 16 + lane() % 16) * STRIDE + step * 16 + lane() / 16 * 8);
  }

  /**
   * Adds `count` keys: those that `token_at(chunk, at)` numbers (−1: none). `of_queries` are the numbers of this thread's
   * queries.
   */
  template <typename TokenAt>
  DEVICE void add_keys(const AttentionSizes& sizes, const int (&of_queries)[2], const T* key, const T* value, int count,
                       const TokenAt& token_at) {
    const int chunks = (count + CHUNK - 1) / CHUNK;
    const auto number = [&](int chunk) {
      if (chunk >= chunks) return;
      for (int at = thread(); at < CHUNK; at += THREADS) {
        tokens_of(chunk % 3)[at] = token_at(chunk, at);
        bias_of(chunk % 3)[at] = 0.0f;
      }
    };
    const auto begin = [&](int chunk) {
      if (chunk < chunks) {
        const int* const tokens = tokens_of(chunk % 3);
        const auto row_of_key = [&](const T* rows) {
          return [=](int at) { return tokens[at] < 0 ? nullptr : rows + size_t(tokens[at]) * sizes.of_keys.token; };
        };
        begin_rows<CHUNK>(keys_of(chunk % 2), sizes.head_dim, key, row_of_key(key));
        begin_rows<CHUNK>(values_of(chunk % 2), sizes.head_dim, value, row_of_key(value));
      }
      copies_commit();
    };
    synchronize();
    number(0);
    synchronize();
    begin(0);
    for (int chunk = 0; chunk < chunks; chunk++) {
      // Three sets of numbers, because a warp that is behind still reads those of the chunk before.
      number(chunk + 1);
      synchronize();
      begin(chunk + 1);
      copies_wait<1>();
      synchronize();
      multiply(sizes, of_queries, chunk % 2, chunk % 3, count - chunk * CHUNK);
    }
    copies_wait<0>();
  }

  /**
   * Adds one chunk, of which `count` rows are there, or more, that are made here: `facts_at(at)` fills in a row's facts, which
   * `make(at, part, feature)` finds again when it makes four features of its key (part 0) or value (1).
   */
  template <typename FactsAt, typename Make>
  DEVICE void add_made(const AttentionSizes& sizes, const int (&of_queries)[2], int count, const FactsAt& facts_at,
                       const Make& make) {
    constexpr int VECTORS = HEAD_DIM / 4;
    synchronize();
    for (int at = thread(); at < CHUNK; at += THREADS) facts_at(at);
    synchronize();
#pragma unroll 2
    for (int i = thread(); i < 2 * CHUNK * VECTORS; i += THREADS) {
      const int at = i / 2 / VECTORS;
      const int part = i / VECTORS % 2;
      const int feature = i % VECTORS * 4;
      T* const to = (part == 0 ? keys_of(0) : values_of(0)) + at * STRIDE + feature;
      store4(to, tokens_of(0)[at] < 0 || feature >= sizes.head_dim ? zero4() : make(at, part, feature));
    }
    synchronize();
    multiply(sizes, of_queries, 0, 0, count);
  }

  /** Only the first `count` keys, in sixteens. */
  DEVICE void multiply(const AttentionSizes& sizes, const int (&of_queries)[2], int stage, int set, int count) {
    float logits[CHUNK / 8][4] = {};
    const T* const keys = keys_of(stage);
#pragma unroll
    for (int step = 0; step < HEAD_DIM / 16; step++) {
      unsigned reloaded[4];
      if constexpr (!HOLDS_QUERIES) load_query(reloaded, step);
      const unsigned(&a)[4] = HOLDS_QUERIES ? held[HOLDS_QUERIES ? step : 0] : reloaded;
#pragma unroll
      for (int pair = 0; pair < CHUNK / 16; pair++) {
        if (pair * 16 >= count) break;
        unsigned b[4];
        load_matrices(b, keys + (pair * 16 + lane() / 16 * 8 + lane() % 8) * STRIDE + step * 16 + lane() / 8 % 2 * 8);
        multiply_add<T>(logits[2 * pair], a, b[0], b[1]);
        multiply_add<T>(logits[2 * pair + 1], a, b[2], b[3]);
      }
    }

    float largest[2] = {maximum[0], maximum[1]};
#pragma unroll
    for (int tile = 0; tile < CHUNK / 8; tile++) {
      if (tile / 2 * 16 >= count) break;
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const int at = tile * 8 + lane() % 4 * 2 + i % 2;
        const int token = tokens_of(set)[at];
        const bool seen = token >= 0 && sizes.sees(of_queries[i / 2], token);
        logits[tile][i] = seen ? logits[tile][i] * sizes.scale + bias_of(set)[at] : -INFINITE;
        largest[i / 2] = fmaxf(largest[i / 2], logits[tile][i]);
      }
    }
    float base[2];
#pragma unroll
    for (int half = 0; half < 2; half++) {
      largest[half] = lanes_max<4>(largest[half]);
      base[half] = softmax_base(largest[half]);
      const float shrink = exp2f(maximum[half] - base[half]);
      maximum[half] = largest[half];
      total[half] *= shrink;
#pragma unroll
      for (int tile = 0; tile < HEAD_DIM / 8; tile++) {
        sums[tile][2 * half] *= shrink;
        sums[tile][2 * half + 1] *= shrink;
      }
    }
    const T* const values = values_of(stage);
#pragma unroll
    for (int pair = 0; pair < CHUNK / 16; pair++) {
      if (pair * 16 >= count) break;
#pragma unroll
      for (int i = 0; i < 8; i++) {
        float& logit = logits[2 * pair + i / 4][i % 4];
        logit = exp2f(logit - base[i % 4 / 2]);
        total[i % 4 / 2] += logit;
      }
      const float(&first)[4] = logits[2 * pair];
      const float(&second)[4] = logits[2 * pair + 1];
      const unsigned weights[4] = {pack2<T>(first[0], first[1]), pack2<T>(first[2], first[3]),
                                   pack2<T>(second[0], second[1]), pack2<T>(second[2], second[3])};
#pragma unroll
      for (int step = 0; step < HEAD_DIM / 16; step++) {
        unsigned b[4];
        load_matrices_transposed(b, values + (pair * 16 + lane() % 16) * STRIDE + step * 16 + lane() / 16 * 8);
        multiply_add<T>(sums[2 * step], weights, b[0], b[1]);
        multiply_add<T>(sums[2 * step + 1], weights, b[2], b[3]);
      }
    }
  }

  /** Makes `total` that of whole rows. */
  DEVICE void finish() {
    total[0] = lanes_sum<4>(total[0]);
    total[1] = lanes_sum<4>(total[1]);
  }

  /** Calls `use(half, feature, first, second)` with each pair of neighbouring sums of this thread's rows. */
  template <typename Use>
  DEVICE void each_pair(int head_dim, const Use& use) const {
#pragma unroll
    for (int tile = 0; tile < HEAD_DIM / 8; tile++) {
      const int feature = tile * 8 + lane() % 4 * 2;
      if (feature >= head_dim) continue;
      use(0, feature, sums[tile][0], sums[tile][1]);
      use(1, feature, sums[tile][2], sums[tile][3]);
    }
  }
};

template <typename T>
DEVICE void store2(T* to, float first, float second) {
  *reinterpret_cast<unsigned*>(to) = pack2<T>(first, second);
}
