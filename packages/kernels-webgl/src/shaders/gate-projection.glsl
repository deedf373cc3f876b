// gate-projection: element (batch, head, token, r) = Σ x[batch, head, token] · map[head, :, r].

float element(int i, sampler2D x, sampler2D map, int heads, int tokens, int features, int rank, int tokensFirst) {
  int r = i % rank;
  ivec3 token = tokenOf(i / rank, heads, tokens, 0);
  int start = tokenStart(token.x, token.y, token.z, heads, tokens, features, tokensFirst);
  int mapStart = token.y * features * rank + r;
  float sum = 0.0;
  for (int k = 0; k < features; k++) sum += at(x, start + k) * at(map, mapStart + k * rank);
  return sum;
}
