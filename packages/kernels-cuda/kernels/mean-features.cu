// First step of select-top-k: for pieces of neighbouring tokens in an order, the mean of those that are present, and how many
// they are. A thread a feature of a piece.

#include "portable.cuh"

// features: [rows, pieces, rank + 1], the number last
KERNEL(mean_features, 128, (const float* points, const unsigned char* mask, const int* order, float* features, int rows,
                            int heads, int tokens, int size, int pieces, int rank)) {
  const long long index = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
  const int width = rank + 1;
  if (index >= static_cast<long long>(rows) * pieces * width) return;
  const int feature = int(index % width);
  const int piece = int(index / width % pieces);
  const int row = int(index / width / pieces);
  const unsigned char* const present = mask ? mask + size_t(row / heads) * tokens : nullptr;
  float sum = 0.0f;
  int found = 0;
  for (int position = piece * size; position < min((piece + 1) * size, tokens); position++) {
    const int token = order ? order[size_t(row) * tokens + position] : position;
    if (present && present[token] == 0) continue;
    if (feature < rank) sum += points[(size_t(row) * tokens + token) * rank + feature];
    found++;
  }
  features[index] = feature < rank ? sum / float(max(found, 1)) : float(found);
}
