// dense-attention: a block takes a tile of queries of a head through its keys; nothing of queries × keys is kept. Where the
// grid would be too small, the keys are split over blockIdx.y: each part leaves its sums, maximum and total in memory, and
// merge_splits joins them.

#include "simt-attention.cuh"
#include "tensor-core-attention.cuh"

/** What a block of dense attention has to do. */
struct DenseTile {
  int row, first, begin, end, part, parts;

  template <int ROWS, int CHUNK>
  static DEVICE DenseTile of(const AttentionSizes& sizes) {
    const int tiles = (sizes.queries + ROWS - 1) / ROWS;
    DenseTile tile;
    tile.row = int(blockIdx.x) / tiles;
    tile.first = int(blockIdx.x) % tiles * ROWS;
    tile.part = blockIdx.y;
    tile.parts = gridDim.y;
    int end = sizes.keys;
    if (sizes.causal) end = max(0, min(end, min(tile.first + ROWS, sizes.queries) + sizes.shift()));
    const int chunks = (end + CHUNK - 1) / CHUNK;
    tile.begin = int(static_cast<long long>(chunks) * tile.part / tile.parts) * CHUNK;
    tile.end = min(end, int(static_cast<long long>(chunks) * (tile.part + 1) / tile.parts) * CHUNK);
    return tile;
  }

  /** Of a query's sums, in the memory of parts; maximum and total stand behind the features. */
  DEVICE size_t partial_of(const AttentionSizes& sizes, int query) const {
    return ((size_t(row) * sizes.queries + query) * parts + part) * (sizes.head_dim + 4);
  }
};

template <int ROWS, int HEAD_DIM>
DEVICE void dense_attention_simt(const float* query, const float* key, const float* value,
                                 const unsigned char* key_mask, float* output, float* lse, float* partial,
                                 const AttentionSizes& sizes) {
  using Attention = SimtAttention<ROWS, HEAD_DIM>;
  DYNAMIC_SHARED(shared);
  Attention attention(shared);
  const DenseTile tile = DenseTile::of<ROWS, Attention::CHUNK>(sizes);
  const size_t queries_start = sizes.of_queries.head_start(tile.row, sizes.heads);
  const size_t keys_start = sizes.of_keys.head_start(tile.row, sizes.heads);
  const unsigned char* const present = key_mask ? key_mask + size_t(tile.row / sizes.heads) * sizes.keys : nullptr;
  attention.load_queries(sizes.head_dim, [&](int row) {
    return query + queries_start + size_t(min(tile.first + row, sizes.queries - 1)) * sizes.of_queries.token;
  });
  for (int start = tile.begin; start < tile.end; start += Attention::CHUNK) {
    __syncthreads();
    for (int at = threadIdx.x; at < Attention::CHUNK; at += Attention::THREADS) {
      const int token = start + at;
      attention.tokens[at] = token < tile.end && (!present || present[token]) ? token : -1;
      attention.bias[at] = 0.0f;
    }
    __syncthreads();
    attention.load_chunk(sizes.head_dim, key + keys_start, value + keys_start, sizes.of_keys.token);
    __syncthreads();
    attention.add_chunk(sizes, [&](int row) { return tile.first + row; });
  }
  attention.finish(
      sizes.head_dim,
      [&](int row, int feature, float4 sums, float total) {
        if (tile.first + row >= sizes.queries) return;
        if (tile.parts > 1) return store4(partial + tile.partial_of(sizes, tile.first + row) + feature, sums);
        scale4(sums, softmax_factor(total));
        store4(output + queries_start + size_t(tile.first + row) * sizes.of_queries.token + feature, sums);
      },
      [&](int row, float maximum, float total) {
        if (tile.first + row >= sizes.queries) return;
        if (tile.parts > 1) {
          float* const to = partial + tile.partial_of(sizes, tile.first + row) + sizes.head_dim;
          to[0] = maximum;
          to[1] = total;
        } else {
          lse[size_t(tile.row) * sizes.queries + tile.first + row] = log_sum_exp(maximum, total);
        }
      });
}

template <typename T, int HEAD_DIM, int CHUNK>
DEVICE void dense_attention_tensor_core(const T* query, const T* key, const T* value, const unsigned char* key_mask,
                                        T* output, float* lse, float* partial, const AttentionSizes& sizes) {
  using Attention = TensorCoreAttention<T, HEAD_DIM, 4, CHUNK>;
  DYNAMIC_SHARED(shared);
  Attention attention(shared);
  const DenseTile tile = DenseTile::of<Attention::ROWS, CHUNK>(sizes);
  const size_t queries_start = sizes.of_queries.head_start(tile.row, sizes.heads);
  const size_t keys_start = sizes.of_keys.head_start(tile.row, sizes.heads);
  const unsigned char* const present = key_mask ? key_mask + size_t(tile.row / sizes.heads) * sizes.keys : nullptr;
  attention.load_queries(sizes.head_dim, query, [&](int row) {
    const int number = tile.first + row;
    return number < sizes.queries ? query + queries_start + size_t(number) * sizes.of_queries.token : nullptr;
  });
  const int of_queries[2] = {tile.first + Attention::row_of(0), tile.first + Attention::row_of(1)};
  const int count = max(0, tile.end - tile.begin);
  attention.add_keys(sizes, of_queries, key + keys_start, value + keys_start, count, [&](int chunk, int at) {
    const int token = tile.begin + chunk * CHUNK + at;
    return token < tile.end && (!present || present[token]) ? token : -1;
  });
  attention.finish();
#pragma unroll
  for (int half = 0; half < 2; half++) {
    if (of_queries[half] >= sizes.queries || Attention::lane() % 4 > 0) continue;
    if (tile.parts > 1) {
      float* const to = partial + tile.partial_of(sizes, of_queries[half]) + sizes.head_dim;
      to[0] = attention.maximum[half];
      to[1] = attention.total[half];
    } else {
      lse[size_t(tile.row) * sizes.queries + of_queries[half]] =
          log_sum_exp(attention.maximum[half], attention.total[half]);
    }
  }
  const float factors[2] = {softmax_factor(attention.total[0]), softmax_factor(attention.total[1])};
  attention.each_pair(sizes.head_dim, [&](int half, int feature, float first, float second) {
    if (of_queries[half] >= sizes.queries) return;
    if (tile.parts > 1) {
      *reinterpret_cast<float2*>(partial + tile.partial_of(sizes, of_queries[half]) + feature) =
          make_float2(first, second);
    } else {
      store2(output + queries_start + size_t(of_queries[half]) * sizes.of_queries.token + feature,
             first * factors[half], second * factors[half]);
    }
  });
}

#define DENSE_ATTENTION(name, type, threads, body)                                                                   \
  KERNEL(name, threads, (const type* query, const type* key, const type* value, const unsigned char* key_mask,       \
                         type* output, float* lse, float* partial, ATTENTION_WORDS)) {                               \
    body(query, key, value, key_mask, output, lse, partial, ATTENTION_SIZES);                                        \
  }

DENSE_ATTENTION(dense_attention_f32_64, float, 128, (dense_attention_simt<64, 64>))
DENSE_ATTENTION(dense_attention_f32_128, float, 128, (dense_attention_simt<32, 128>))
DENSE_ATTENTION(dense_attention_f32_256, float, 128, (dense_attention_simt<16, 256>))
DENSE_ATTENTION(dense_attention_f16_64, float16, 128, (dense_attention_tensor_core<float16, 64, 64>))
DENSE_ATTENTION(dense_attention_f16_128, float16, 128, (dense_attention_tensor_core<float16, 128, 32>))
DENSE_ATTENTION(dense_attention_f16_256, float16, 128, (dense_attention_tensor_core<float16, 256, 16>))
DENSE_ATTENTION(dense_attention_bf16_64, bfloat16, 128, (dense_attention_tensor_core<bfloat16, 64, 64>))
DENSE_ATTENTION(dense_attention_bf16_128, bfloat16, 128, (dense_attention_tensor_core<bfloat16, 128, 32>))
DENSE_ATTENTION(dense_attention_bf16_256, bfloat16, 128, (dense_attention_tensor_core<bfloat16, 256, 16>))

/** A warp joins the parts of a query. */
template <typename T>
DEVICE void merge_splits(const float* partial, T* output, float* lse, int parts, const AttentionSizes& sizes, int rows) {
  const long long index = static_cast<long long>(blockIdx.x) * (blockDim.x / 32) + threadIdx.x / 32;
  if (index >= static_cast<long long>(rows) * sizes.queries) return;
  const int lane = threadIdx.x % 32;
  const int row = int(index / sizes.queries);
  const int query = int(index % sizes.queries);
  const int width = sizes.head_dim + 4;
  const float* const from = partial + size_t(index) * parts * width;
  float maximum = -INFINITE;
  for (int part = 0; part < parts; part++) maximum = fmaxf(maximum, from[part * width + sizes.head_dim]);
  const float base = softmax_base(maximum);
  float total = 0.0f;
  for (int part = 0; part < parts; part++) {
    const float* const of_part = from + part * width + sizes.head_dim;
    total += of_part[1] * exp2f(of_part[0] - base);
  }
  const float factor = softmax_factor(total);
  T* const to = output + sizes.of_queries.head_start(row, sizes.heads) + size_t(query) * sizes.of_queries.token;
  for (int feature = lane * 4; feature < sizes.head_dim; feature += 128) {
    float4 sum = zero4();
    for (int part = 0; part < parts; part++) {
      add4(sum, exp2f(from[part * width + sizes.head_dim] - base), load4(from + part * width + feature));
    }
    scale4(sum, factor);
    store4(to + feature, sum);
  }
  if (lane == 0) lse[index] = log_sum_exp(maximum, total);
}

#define MERGE_SPLITS(type, suffix)                                                                        \
  KERNEL(merge_splits_##suffix, 128, (const float* partial, type* output, float* lse, int rows, int parts, \
                                      ATTENTION_WORDS)) {                                                 \
    merge_splits(partial, output, lse, parts, ATTENTION_SIZES, rows);                                     \
  }

MERGE_SPLITS(float, f32)
MERGE_SPLITS(float16, f16)
MERGE_SPLITS(bfloat16, bf16)
#undef MERGE_SPLITS
#undef DENSE_ATTENTION
