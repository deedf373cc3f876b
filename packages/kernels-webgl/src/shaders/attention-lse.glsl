// dense- and sparse-attention: lse of row i from its (m, Σ exp(logit − m)); −∞ for a query without keys.

float element(int i, sampler2D state) {
  vec2 now = pairAt(state, i);
  return now.y == 0.0 ? negativeInfinity() : now.x + logarithm(now.y);
}
