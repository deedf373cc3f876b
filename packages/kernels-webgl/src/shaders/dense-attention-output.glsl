// dense-attention, third pass over a chunk: the output so far, Σ exp(logit − m) · value, for the m so far. The last chunk
// divides by the sum of the weights. Elements lie as the op's output does.

float element(int i, sampler2D scores, sampler2D state, sampler2D before, sampler2D stateBefore, int hasBefore, sampler2D value, int first, int chunk, int isLast, int heads, int queries, int keys, int headDim, int tokensFirst) {
  int d = i % headDim;
  ivec3 q = tokenOf(i / headDim, heads, queries, tokensFirst);
  int row = (q.x * heads + q.y) * queries + q.z;
  vec2 now = pairAt(state, row);
  float sum = 0.0;
  if (hasBefore == 1) {
    vec2 previous = pairAt(stateBefore, row);
    if (previous.y != 0.0) sum = at(before, i) * exp(previous.x - now.x);
  }
  int tokenStep = tokensFirst == 1 ? heads * headDim : headDim;
  int start = tokenStart(q.x, q.y, first, heads, keys, headDim, tokensFirst) + d;
  for (int j = 0; j < chunk; j++) {
    float score = at(scores, row * chunk + j);
    if (score != LOWEST) sum += exp(score - now.x) * at(value, start + j * tokenStep);
  }
  if (isLast == 0) return sum;
  return now.y == 0.0 ? 0.0 : sum / now.y;
}
