// How the passes of sparse-attention find a query's candidates: `slots` blocks of `blockKeys` positions of the key order.

// The list of query `row` (counted over batch, heads, queries).
int listOf(int row, sampler2D tiles, int hasTiles, int queries, int tileQueries) {
  int perHead = (queries + tileQueries - 1) / tileQueries;
  int query = row % queries;
  int tile = hasTiles == 1 ? int(at(tiles, row)) : query / tileQueries;
  return (row / queries) * perHead + tile;
}

// The key of candidate c of a list of head `head` (counted over batch, heads); −1 where it names none.
int keyOf(int list, int c, int head, sampler2D entries, sampler2D keyOrder, int hasKeyOrder, int slots, int blockKeys, int keys) {
  int block = int(at(entries, list * slots + c / blockKeys));
  if (block < 0) return -1;
  int position = block * blockKeys + c % blockKeys;
  return position < keys ? ordered(keyOrder, hasKeyOrder, head * keys, position) : -1;
}
