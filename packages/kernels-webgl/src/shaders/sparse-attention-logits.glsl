// sparse-attention: element (row, c) is the logit of query `row` and its candidate c, or LOWEST where there is no such
// key or the query does not see it.

float element(int i, sampler2D query, sampler2D key, sampler2D keyMask, int hasMask, sampler2D tiles, int hasTiles, sampler2D entries, sampler2D keyOrder, int hasKeyOrder, int slots, int tileQueries, int blockKeys, int heads, int queries, int keys, int headDim, int tokensFirst, int causal, float scale) {
  int candidates = slots * blockKeys;
  int row = i / candidates;
  int list = listOf(row, tiles, hasTiles, queries, tileQueries);
  int j = keyOf(list, i % candidates, row / queries, entries, keyOrder, hasKeyOrder, slots, blockKeys, keys);
  if (j < 0) return LOWEST;
  ivec3 q = tokenOf(row, heads, queries, 0);
  if (causal == 1 && j > q.z + keys - queries) return LOWEST;
  if (!isPresent(keyMask, hasMask, q.x * keys + j)) return LOWEST;
  int queryStart = tokenStart(q.x, q.y, q.z, heads, queries, headDim, tokensFirst);
  int keyStart = tokenStart(q.x, q.y, j, heads, keys, headDim, tokensFirst);
  return scale * dotOf(query, queryStart, key, keyStart, headDim);
}
