// sparse-attention: Σ weight · value over a query's candidates, and Σ share · sum of values over its groups. Elements lie
// as the op's output does.

float element(int i, sampler2D value, sampler2D weights, sampler2D shares, sampler2D sums, sampler2D tiles, int hasTiles, sampler2D entries, sampler2D keyOrder, int hasKeyOrder, int slots, int tileQueries, int blockKeys, int groups, int heads, int queries, int keys, int headDim, int tokensFirst) {
  int d = i % headDim;
  ivec3 q = tokenOf(i / headDim, heads, queries, tokensFirst);
  int head = q.x * heads + q.y;
  int row = head * queries + q.z;
  int list = listOf(row, tiles, hasTiles, queries, tileQueries);
  int candidates = slots * blockKeys;
  float sum = 0.0;
  for (int c = 0; c < candidates; c++) {
    float weight = at(weights, row * candidates + c);
    if (weight == LOWEST) continue;
    int j = keyOf(list, c, head, entries, keyOrder, hasKeyOrder, slots, blockKeys, keys);
    sum += weight * at(value, tokenStart(q.x, q.y, j, heads, keys, headDim, tokensFirst) + d);
  }
  for (int group = 0; group < groups; group++) {
    float share = at(shares, row * groups + group);
    if (share != 0.0) sum += share * at(sums, (head * groups + group) * (headDim + 4) + d);
  }
  return sum;
}
