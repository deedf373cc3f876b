// content-order: how many tokens of batch entry i are present.

float element(int i, sampler2D mask, int hasMask, int tokens) {
  if (hasMask == 0) return float(tokens);
  float count = 0.0;
  for (int token = 0; token < tokens; token++) {
    if (at(mask, i * tokens + token) != 0.0) count += 1.0;
  }
  return count;
}
