// sparse-attention: element (head, group, d) is the sum of feature d over the group's present keys; features
// headDim to headDim + 3 are how many those are, four times, so that each group begins a texel if each key does.

float element(int i, sampler2D x, sampler2D keyMask, int hasMask, sampler2D keyOrder, int hasKeyOrder, int residualGroup, int groups, int heads, int keys, int headDim, int tokensFirst) {
  int d = i % (headDim + 4);
  int group = (i / (headDim + 4)) % groups;
  int head = i / ((headDim + 4) * groups);
  int end = min((group + 1) * residualGroup, keys);
  float sum = 0.0;
  for (int position = group * residualGroup; position < end; position++) {
    int j = ordered(keyOrder, hasKeyOrder, head * keys, position);
    if (!isPresent(keyMask, hasMask, (head / heads) * keys + j)) continue;
    sum += d >= headDim ? 1.0 : at(x, tokenStart(head / heads, head % heads, j, heads, keys, headDim, tokensFirst) + d);
  }
  return sum;
}
