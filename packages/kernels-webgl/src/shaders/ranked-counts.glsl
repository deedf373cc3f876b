// How many columns are selected in each chunk of a row: element (row, chunk).

float element(int i, sampler2D scores, sampler2D least, int columns, int chunk, int chunks) {
  int row = i / chunks;
  int first = (i % chunks) * chunk;
  int end = min(first + chunk, columns);
  vec2 threshold = pairAt(least, row);
  float count = 0.0;
  for (int j = first; j < end; j++) {
    if (isSelected(at(scores, row * columns + j), j, threshold)) count += 1.0;
  }
  return count;
}
