// Work that several blocks share out where the grid would be too small: block y of the grid has its part, in whole chunks, and
// leaves sums in memory that a second kernel joins in the order of the parts, so that they are the same each time.
#pragma once
#include "portable.cuh"

/** Elements begin … end of a sum. */
struct Part {
  int begin, end;

  /** Of `count` elements, what this block has; all of them where there is one part. */
  template <int CHUNK>
  static DEVICE Part of(int count) {
    const long long chunks = (count + CHUNK - 1) / CHUNK;
    const long long part = blockIdx.y, parts = gridDim.y;
    return {int(chunks * part / parts) * CHUNK, min(count, int(chunks * (part + 1) / parts) * CHUNK)};
  }
};
