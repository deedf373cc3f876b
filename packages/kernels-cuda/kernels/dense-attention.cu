// dense-attention: a block takes a tile of queries of a head through its keys; nothing of queries × keys is kept. Where the
// grid would be too small, the keys are split (parts.cuh, merge-splits.cu).

#include "simt-attention.cuh"
#include "tensor-core-attention.cuh"

/** What a block of dense attention has to do. */
struct DenseTile {
  int row, first;
  Part keys;

  template <int ROWS, int CHUNK>
  static DEVICE DenseTile of(const AttentionSizes& sizes) {
    const int tiles = (sizes.queries + ROWS - 1) / ROWS;
    DenseTile tile;
    tile.row = int(blockIdx.x) / tiles;
    tile.first = int(blockIdx.x) % tiles * ROWS;
    int end = sizes.keys;
    if (sizes.causal) end = max(0, min(end, min(tile.first + ROWS, sizes.queries) + sizes.shift()));
    tile.keys = Part::of<CHUNK>(end);
    return tile;
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
  for (int start = tile.keys.begin; start < tile.keys.end; start += Attention::CHUNK) {
    __syncthreads();
    for (int at = threadIdx.x; at < Attention::CHUNK; at += Attention::THREADS) {
      const int token = start + at;
      attention.tokens[at] = token < tile.keys.end && (!present || present[token]) ? token : -1;
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
        if (gridDim.y > 1) return store4(part_of_query(partial, sizes, tile.row, tile.first + row) + feature, sums);
        scale4(sums, softmax_factor(total));
        store4(output + queries_start + size_t(tile.first + row) * sizes.of_queries.token + feature, sums);
      },
      [&](int row, float maximum, float total) {
        if (tile.first + row >= sizes.queries) return;
        if (gridDim.y > 1) {
          float* const to = part_of_query(partial, sizes, tile.row, tile.first + row) + sizes.head_dim;
          to[0] = maximum;
          to[1] = total;
        } else {
          lse[size_t(tile.row) * sizes.queries + tile.first + row] = log_sum_exp(maximum, total);
        }
      });
}

template <typename T, int HEAD_DIM, int WARPS, int CHUNK>
DEVICE void dense_attention_tensor_core(const T* query, const T* key, const T* value, const unsigned char* key_mask,
                                        T* output, float* lse, float* partial, const AttentionSizes& sizes) {
  using Attention = TensorCoreAttention<T, HEAD_DIM, WARPS, CHUNK>;
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
  const int count = max(0, tile.keys.end - tile.keys.begin);
  attention.add_keys(sizes, of_queries, key + keys_start, value + keys_start, count, [&](int chunk, int at) {
    const int token = tile.keys.begin + chunk * CHUNK + at;
    return token < tile.keys.end && (!present || present[token]) ? token : -1;
  });
  attention.finish();
#pragma unroll
  for (int half = 0; half < 2; half++) {
    if (of_queries[half] >= sizes.queries || Attention::lane() % 4 > 0) continue;
    if (gridDim.y > 1) {
      float* const to = part_of_query(partial, sizes, tile.row, of_queries[half]) + sizes.head_dim;
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
    if (gridDim.y > 1) {
      *reinterpret_cast<float2*>(part_of_query(partial, sizes, tile.row, of_queries[half]) + feature) =
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

// Named by the queries of a block, and the width of a head.
DENSE_ATTENTION(dense_attention_f32_64_64, float, 128, (dense_attention_simt<64, 64>))
DENSE_ATTENTION(dense_attention_f32_32_64, float, 128, (dense_attention_simt<32, 64>))
DENSE_ATTENTION(dense_attention_f32_32_128, float, 128, (dense_attention_simt<32, 128>))
DENSE_ATTENTION(dense_attention_f32_16_128, float, 128, (dense_attention_simt<16, 128>))
DENSE_ATTENTION(dense_attention_f32_16_256, float, 128, (dense_attention_simt<16, 256>))

#define DENSE_TENSOR_CORE(type, suffix, rows, head_width, chunk)                        \
  DENSE_ATTENTION(dense_attention_##suffix##_##rows##_##head_width, type, 2 * rows,     \
                  (dense_attention_tensor_core<type, head_width, rows / 16, chunk>))
#define DENSE_TENSOR_CORE_OF(type, suffix)        \
  DENSE_TENSOR_CORE(type, suffix, 64, 64, 64)     \
  DENSE_TENSOR_CORE(type, suffix, 128, 64, 64)    \
  DENSE_TENSOR_CORE(type, suffix, 64, 128, 32)    \
  DENSE_TENSOR_CORE(type, suffix, 128, 128, 32)   \
  DENSE_TENSOR_CORE(type, suffix, 64, 256, 16)    \
  DENSE_TENSOR_CORE(type, suffix, 32, 256, 16)

DENSE_TENSOR_CORE_OF(float16, f16)
DENSE_TENSOR_CORE_OF(bfloat16, bf16)
#undef DENSE_TENSOR_CORE_OF
#undef DENSE_TENSOR_CORE
#undef DENSE_ATTENTION
