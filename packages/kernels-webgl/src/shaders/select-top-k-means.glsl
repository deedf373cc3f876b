// select-top-k: means of pieces of `size` positions of an order, over the tokens that are present: element (head, piece,
// r). Features rank to rank + 3 are how many those are, four times, so that each piece begins a texel if each token does.

float element(int i, sampler2D x, sampler2D mask, int hasMask, sampler2D order, int hasOrder, int size, int pieces, int heads, int tokens, int rank) {
  int r = i % (rank + 4);
  int piece = (i / (rank + 4)) % pieces;
  int head = i / ((rank + 4) * pieces);
  int end = min((piece + 1) * size, tokens);
  float sum = 0.0;
  float count = 0.0;
  for (int position = piece * size; position < end; position++) {
    int token = ordered(order, hasOrder, head * tokens, position);
    if (!isPresent(mask, hasMask, (head / heads) * tokens + token)) continue;
    if (r < rank) sum += at(x, (head * tokens + token) * rank + r);
    count += 1.0;
  }
  if (r >= rank) return count;
  return count > 0.0 ? sum / count : 0.0;
}
