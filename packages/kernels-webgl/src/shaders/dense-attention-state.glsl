// dense-attention, second pass over a chunk: (largest logit m, Σ exp(logit − m)) of row i over this chunk and those
// before it (Milakov & Gimelshein 2018, arXiv 1805.02867). A NaN among the logits makes the sum NaN.

vec2 element(int i, sampler2D scores, sampler2D before, int hasBefore, int chunk) {
  vec2 state = hasBefore == 1 ? pairAt(before, i) : vec2(LOWEST, 0.0);
  float largest = state.x;
  for (int j = 0; j < chunk; j++) {
    float score = at(scores, i * chunk + j);
    if (score > largest) largest = score;
  }
  float sum = state.y == 0.0 ? 0.0 : state.y * exp(state.x - largest);
  for (int j = 0; j < chunk; j++) {
    float score = at(scores, i * chunk + j);
    if (score != LOWEST) sum += exponential(score - largest);
  }
  return vec2(largest, sum);
}
