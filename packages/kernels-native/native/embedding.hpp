// embedding: output[row] = word[tokenIds[row]] (+ position[positionIds[row]]) (+ type[typeIds[row]]); NaN where an id is
// outside its table.

#pragma once

#include "words.hpp"

namespace flashmla {
namespace FLASHMLA_ARCHITECTURE {

constexpr int64_t embeddingRows = 32;

/** A task is embeddingRows rows. words: output, rows, modelDim, then for word, position and type: ids, table or 0, its rows */
template <typename T>
void embedding(const double* arguments, int64_t task, char*) {
  Words words(arguments);
  T* output = words.pointer<T>();
  const int64_t rows = words.integer();
  const int64_t modelDim = words.integer();
  struct Term {
    const int32_t* ids;
    const T* table;
    int64_t rows;
  } terms[3];
  for (Term& term : terms) {
    term.ids = words.pointer<const int32_t>();
    term.table = words.pointer<const T>();
    term.rows = words.integer();
  }
  for (int64_t row = task * embeddingRows; row < least(rows, (task + 1) * embeddingRows); row++) {
    const T* parts[3] = {};
    int count = 0;
    bool inside = true;
    for (const Term& term : terms) {
      if (!term.table) continue;
      const int64_t id = term.ids[row];
      inside &= id >= 0 && id < term.rows;
      parts[count++] = inside ? term.table + id * modelDim : nullptr;
    }
    T* out = output + row * modelDim;
    const auto sum = [&](auto read) {
      if (!inside) return splat(__builtin_nanf(""));
      f32v x = read(parts[0]);
      for (int i = 1; i < count; i++) x += read(parts[i]);
      return x;
    };
    eachVector(
        modelDim, [&](int64_t i) { store(out + i, sum([&](const T* part) { return load(part + i); })); },
        [&](int64_t i, int64_t left) {
          storePart(out + i, sum([&](const T* part) { return loadPart(part + i, left); }), left);
        });
  }
}

}  // namespace FLASHMLA_ARCHITECTURE
}  // namespace flashmla
