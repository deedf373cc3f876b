// block-pool: element (batch, block) is 1 where the block has a present token.

float element(int i, sampler2D mask, int hasMask, int block, int blocks, int tokens) {
  int first = (i % blocks) * block;
  int end = min(first + block, tokens);
  for (int token = first; token < end; token++) {
    if (isPresent(mask, hasMask, (i / blocks) * tokens + token)) return 1.0;
  }
  return 0.0;
}
