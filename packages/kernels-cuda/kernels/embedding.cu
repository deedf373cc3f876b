// embedding: rows of up to three tables, added; a block a row. An id outside its table gives NaN. What the tables of
// positions and types are missing from has no ids either.

#include "portable.cuh"

template <typename T>
DEVICE void embedding(const int* token_ids, const T* word, const int* position_ids, const T* position,
                      const int* type_ids, const T* types, T* output, int model_dim, int vocabulary, int positions,
                      int type_count) {
  const int row = blockIdx.x;
  bool valid = true;
  const auto row_of = [&](const int* ids, const T* table, int rows) -> const T* {
    if (rows == 0) return nullptr;
    const int id = ids[row];
    if (id < 0 || id >= rows) {
      valid = false;
      return nullptr;
    }
    return table + size_t(id) * model_dim;
  };
  const T* const of_word = row_of(token_ids, word, vocabulary);
  const T* const of_position = row_of(position_ids, position, positions);
  const T* const of_type = row_of(type_ids, types, type_count);
  for (int feature = threadIdx.x; feature < model_dim; feature += blockDim.x) {
    float sum = NOT_A_NUMBER;
    if (valid) {
      sum = to_float(of_word[feature]);
      if (of_position) sum += to_float(of_position[feature]);
      if (of_type) sum += to_float(of_type[feature]);
    }
    output[size_t(row) * model_dim + feature] = from_float<T>(sum);
  }
}

#define EMBEDDING(type, suffix)                                                                                    \
  KERNEL(embedding_##suffix, 128, (const int* token_ids, const type* word, const int* position_ids,                \
                                   const type* position, const int* type_ids, const type* types, type* output,     \
                                   int model_dim, int vocabulary, int positions, int type_count)) {                \
    embedding(token_ids, word, position_ids, position, type_ids, types, output, model_dim, vocabulary, positions,  \
              type_count);                                                                                         \
  }

EMBEDDING(float, f32)
EMBEDDING(float16, f16)
EMBEDDING(bfloat16, bf16)
#undef EMBEDDING
