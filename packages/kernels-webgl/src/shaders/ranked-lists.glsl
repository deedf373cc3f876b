// The selected columns of each row, ascending: element (row, slot), −1 in what is left of the slots. The chunk's counts
// say which chunk to look into.

vec2 element(int i, sampler2D scores, sampler2D least, sampler2D counts, int columns, int chunk, int chunks, int slots) {
  int row = i / slots;
  int before = i % slots;
  int nth = 0;
  for (; nth < chunks; nth++) {
    int count = int(at(counts, row * chunks + nth));
    if (before < count) break;
    before -= count;
  }
  vec2 threshold = pairAt(least, row);
  int end = min((nth + 1) * chunk, columns);
  for (int j = nth * chunk; j < end; j++) {
    if (!isSelected(at(scores, row * columns + j), j, threshold)) continue;
    if (before == 0) return halvesOf(j);
    before--;
  }
  return halvesOf(-1);
}
