// What dense and sparse attention share: where a head lies, whether a key is seen, how a row's softmax ends. Logits are kept
// in base 2, as scale · log₂ e · q·k, because exp2f is one instruction; lse is given in base e.
#pragma once
#include "parts.cuh"
#include "vectors.cuh"

constexpr float log2_e = 1.4426950408889634f;
constexpr float ln_2 = 0.6931471805599453f;

struct AttentionSizes {
  int heads, queries, keys, head_dim;
  Strides of_queries, of_keys;
  /** Of logits, times log₂ e. */
  float scale;
  bool causal;

  /** Key j is visible to query i when j ≤ i + shift. */
  DEVICE int shift() const { return keys - queries; }
  DEVICE bool sees(int query, int key) const { return !causal || key <= query + shift(); }
};

/**
 * Where a query's keys are split: this part's sums of the query, in [rows, queries, parts, head_dim + 4]. Maximum and total stand
 * behind the features; merge-splits.cu joins them.
 */
DEVICE float* part_of_query(float* partial, const AttentionSizes& sizes, int row, int query) {
  return partial + ((size_t(row) * sizes.queries + query) * gridDim.y + blockIdx.y) * (sizes.head_dim + 4);
}

// The words of every attention kernel; ATTENTION_SIZES makes the struct of them.
#define ATTENTION_WORDS                                                                                            \
  int heads, int queries, int keys, int head_dim, int query_batch, int query_head, int query_token, int key_batch, \
      int key_head, int key_token, float scale, int causal
#define ATTENTION_SIZES                                                                           \
  AttentionSizes {                                                                                \
    heads, queries, keys, head_dim, {query_batch, query_head, query_token},                       \
        {key_batch, key_head, key_token}, scale * log2_e, causal != 0                             \
  }

/** What logits are taken off from before exp2f: the row's maximum, or anything where nothing was seen yet. */
DEVICE float softmax_base(float maximum) { return maximum == -INFINITE ? 0.0f : maximum; }

/** What a row's sums are multiplied with in the end; zero where no key was seen, and NaN stays NaN. */
DEVICE float softmax_factor(float total) { return total == 0.0f ? 0.0f : 1.0f / total; }

DEVICE float log_sum_exp(float maximum, float total) {
  return total == 0.0f ? -INFINITE : maximum * ln_2 + logf(total);
}
