// sparse-attention: element (row, group) is (logit, n) of what query `row` left of a group of keys: n keys, which enter
// the softmax as one with logit scale · q·k̄ + ln n. The mean key k̄ is never made: n · q·k̄ is the query's product with the
// group's sum, less the logits of the keys that it selected. n = 0: nothing was left.

vec2 element(int i, sampler2D query, sampler2D logits, sampler2D sums, sampler2D tiles, int hasTiles, sampler2D entries, int slots, int tileQueries, int blockKeys, int residualGroup, int groups, int heads, int queries, int headDim, int tokensFirst, float scale) {
  int row = i / groups;
  int group = i % groups;
  ivec3 q = tokenOf(row, heads, queries, 0);
  int start = ((row / queries) * groups + group) * (headDim + 4);
  float left = at(sums, start + headDim);
  float selected = 0.0;
  int list = listOf(row, tiles, hasTiles, queries, tileQueries);
  for (int slot = 0; slot < slots; slot++) {
    int block = int(at(entries, list * slots + slot));
    if (block < 0 || block * blockKeys / residualGroup != group) continue;
    int first = (row * slots + slot) * blockKeys;
    for (int k = 0; k < blockKeys; k++) {
      float logit = at(logits, first + k);
      if (logit == LOWEST) continue;
      selected += logit;
      left -= 1.0;
    }
  }
  if (left < 0.5) return vec2(LOWEST, 0.0);
  int queryStart = tokenStart(q.x, q.y, q.z, heads, queries, headDim, tokensFirst);
  float product = scale * dotOf(query, queryStart, sums, start, headDim);
  return vec2((product - selected) / left + log(left), left);
}
