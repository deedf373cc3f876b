// dense-attention, first of three passes over a chunk of keys: element (row, j) is the logit of query `row` (counted over
// batch, heads, queries) and key first + j, or LOWEST where the query does not see that key.

float element(int i, sampler2D query, sampler2D key, sampler2D keyMask, int hasMask, int first, int chunk, int heads, int queries, int keys, int headDim, int tokensFirst, int causal, float scale) {
  int j = first + i % chunk;
  ivec3 q = tokenOf(i / chunk, heads, queries, 0);
  if (causal == 1 && j > q.z + keys - queries) return LOWEST;
  if (!isPresent(keyMask, hasMask, q.x * keys + j)) return LOWEST;
  int queryStart = tokenStart(q.x, q.y, q.z, heads, queries, headDim, tokensFirst);
  int keyStart = tokenStart(q.x, q.y, j, heads, keys, headDim, tokensFirst);
  return scale * dotOf(query, queryStart, key, keyStart, headDim);
}
