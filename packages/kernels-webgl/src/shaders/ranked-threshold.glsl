// For row i of scores [rows, columns]: the k-th largest score and the last column that still belongs to the best k with
// just that score, ties going to the smaller column. With k scores or fewer, all of them. k is `slots`, or what the row's
// head has of them where heads > 0. The value is found bit by bit,
// from the highest: 32 times how many scores are not below a candidate (docs/decisions/0004).

// Whole numbers in the order of the floats.
uint rankOf(float score) {
  uint bits = floatBitsToUint(score == 0.0 ? 0.0 : score);
  return (bits & 0x80000000u) != 0u ? ~bits : bits | 0x80000000u;
}

float scoreOf(uint rank) {
  return uintBitsToFloat((rank & 0x80000000u) != 0u ? rank & 0x7fffffffu : ~rank);
}

vec2 element(int i, sampler2D scores, int columns, int slots, sampler2D headSlots, int heads, int rowsOfHead) {
  int k = heads > 0 ? clamp(intAt(headSlots, i / rowsOfHead % heads), 1, slots) : slots;
  int start = i * columns;
  int count = 0;
  for (int j = 0; j < columns; j++) count += at(scores, start + j) > LOWEST ? 1 : 0;
  if (count <= k) return vec2(LOWEST, -1.0);

  uint rank = 0u;
  for (int bit = 31; bit >= 0; bit--) {
    uint candidate = rank | (1u << bit);
    int notBelow = 0;
    for (int j = 0; j < columns; j++) {
      float score = at(scores, start + j);
      if (score > LOWEST && rankOf(score) >= candidate) notBelow++;
    }
    if (notBelow >= k) rank = candidate;
  }
  float least = scoreOf(rank);
  int room = k;
  for (int j = 0; j < columns; j++) room -= at(scores, start + j) > least ? 1 : 0;
  for (int j = 0; j < columns; j++) {
    if (at(scores, start + j) != least) continue;
    room--;
    if (room == 0) return vec2(least, float(j));
  }
  return vec2(least, float(columns - 1));
}
