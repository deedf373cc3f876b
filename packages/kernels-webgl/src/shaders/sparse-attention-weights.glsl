// sparse-attention: element (row, c) is the weight of candidate c's value in the output, or LOWEST where there is none.
// Its share of its group's sum is taken off: the sum counts it, although it was selected.

float element(int i, sampler2D logits, sampler2D state, sampler2D shares, sampler2D tiles, int hasTiles, sampler2D entries, int slots, int tileQueries, int blockKeys, int residualGroup, int groups, int queries) {
  float logit = at(logits, i);
  if (logit == LOWEST) return LOWEST;
  int candidates = slots * blockKeys;
  int row = i / candidates;
  vec2 now = pairAt(state, row);
  float weight = exp(logit - now.x) / now.y;
  if (groups == 0) return weight;
  int list = listOf(row, tiles, hasTiles, queries, tileQueries);
  int block = int(at(entries, list * slots + (i % candidates) / blockKeys));
  return weight - at(shares, row * groups + block * blockKeys / residualGroup);
}
