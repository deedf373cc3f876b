// embedding-gradient: tableGradient[id] = Σ outputGradient[row] over the rows with that id, in their order.
//
// A task owns rows and columns of a table and looks through all ids: no sum has two writers, and nothing is sorted.

#pragma once

#include "words.hpp"

namespace flashmla {
namespace FLASHMLA_ARCHITECTURE {

/** words: ids, outputGradient, tableGradient, rows, modelDim, tableRows, taskRows, taskColumns */
inline void embeddingGradient(const double* arguments, int64_t task, char*) {
  Words words(arguments);
  const int32_t* ids = words.pointer<const int32_t>();
  const float* outputGradient = words.pointer<const float>();
  float* tableGradient = words.pointer<float>();
  int64_t rows, modelDim, tableRows, taskRows, taskColumns;
  words.integers(rows, modelDim, tableRows, taskRows, taskColumns);
  const int64_t across = ceilDivide(modelDim, taskColumns);
  const int64_t firstRow = task / across * taskRows;
  const int64_t lastRow = least(firstRow + taskRows, tableRows);
  const int64_t firstColumn = task % across * taskColumns;
  const int64_t columns = least(taskColumns, modelDim - firstColumn);
  for (int64_t row = firstRow; row < lastRow; row++) {
    memset(tableGradient + row * modelDim + firstColumn, 0, static_cast<size_t>(columns) * sizeof(float));
  }
  for (int64_t row = 0; row < rows; row++) {
    if (ids[row] < firstRow || ids[row] >= lastRow) continue;
    float* to = tableGradient + ids[row] * modelDim + firstColumn;
    const float* from = outputGradient + row * modelDim + firstColumn;
    eachVector(
        columns, [&](int64_t i) { store(to + i, load(to + i) + load(from + i)); },
        [&](int64_t i, int64_t left) { storePart(to + i, loadPart(to + i, left) + loadPart(from + i, left), left); });
  }
}

}  // namespace FLASHMLA_ARCHITECTURE
}  // namespace flashmla
