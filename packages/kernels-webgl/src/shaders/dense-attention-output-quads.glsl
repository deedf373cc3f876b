// dense-attention-output.glsl for four features at once, where headDim is a multiple of four: a weight is computed once
// for all of them.

vec4 element(int i, sampler2D scores, sampler2D state, sampler2D before, sampler2D stateBefore, int hasBefore, sampler2D value, int first, int chunk, int isLast, int heads, int queries, int keys, int headDim, int tokensFirst) {
  int d = i % headDim;
  ivec3 q = tokenOf(i / headDim, heads, queries, tokensFirst);
  int row = (q.x * heads + q.y) * queries + q.z;
  vec2 now = pairAt(state, row);
  vec4 sum = vec4(0.0);
  if (hasBefore == 1) {
    vec2 previous = pairAt(stateBefore, row);
    if (previous.y != 0.0) sum = quadAt(before, i / 4) * exp(previous.x - now.x);
  }
  int tokenStep = tokensFirst == 1 ? heads * headDim : headDim;
  int start = tokenStart(q.x, q.y, first, heads, keys, headDim, tokensFirst) + d;
  for (int j = 0; j < chunk; j++) {
    float score = at(scores, row * chunk + j);
    if (score != LOWEST) sum += exp(score - now.x) * quadAt(value, (start + j * tokenStep) / 4);
  }
  if (isLast == 0) return sum;
  return now.y == 0.0 ? vec4(0.0) : sum / now.y;
}
