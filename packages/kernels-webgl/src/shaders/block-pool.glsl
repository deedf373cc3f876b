// block-pool: element (batch, head, block, column) of the pooled features: the mean over a block's present tokens, or
// with statistics 3 their maximum, minimum and mean one after the other; zeros where none is present.

float element(int i, sampler2D x, sampler2D mask, int hasMask, int statistics, int block, int blocks, int heads, int tokens, int features, int tokensFirst) {
  int width = statistics * features;
  int column = i % width;
  ivec3 pooled = tokenOf(i / width, heads, blocks, 0);
  int statistic = statistics == 1 ? 2 : column / features;
  int end = min((pooled.z + 1) * block, tokens);
  float result = 0.0;
  int count = 0;
  for (int token = pooled.z * block; token < end; token++) {
    if (!isPresent(mask, hasMask, pooled.x * tokens + token)) continue;
    float value = at(x, tokenStart(pooled.x, pooled.y, token, heads, tokens, features, tokensFirst) + column % features);
    if (count == 0) result = value;
    else if (statistic == 0) result = max(result, value);
    else if (statistic == 1) result = min(result, value);
    else result += value;
    count++;
  }
  return statistic == 2 && count > 0 ? result / float(count) : result;
}
