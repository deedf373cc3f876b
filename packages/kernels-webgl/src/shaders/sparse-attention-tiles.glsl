// sparse-attention: the tile of query i (counted over batch, heads, queries): where the query stands in its head's order.

float element(int i, sampler2D queryOrder, int queries, int tileQueries) {
  int start = (i / queries) * queries;
  int query = i - start;
  for (int position = 0; position < queries; position++) {
    if (intAt(queryOrder, start + position) == query) return float(position / tileQueries);
  }
  return 0.0;
}
