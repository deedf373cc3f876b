// sparse-attention: (largest logit m, Σ exp(logit − m)) of row i over its candidates and groups.

vec2 element(int i, sampler2D logits, int candidates, sampler2D remains, int groups) {
  float largest = LOWEST;
  for (int c = 0; c < candidates; c++) {
    float logit = at(logits, i * candidates + c);
    if (logit > largest) largest = logit;
  }
  for (int group = 0; group < groups; group++) {
    float logit = pairAt(remains, i * groups + group).x;
    if (logit > largest) largest = logit;
  }
  float sum = 0.0;
  for (int c = 0; c < candidates; c++) {
    float logit = at(logits, i * candidates + c);
    if (logit != LOWEST) sum += exponential(logit - largest);
  }
  for (int group = 0; group < groups; group++) {
    vec2 remain = pairAt(remains, i * groups + group);
    if (remain.y != 0.0) sum += exponential(remain.x - largest);
  }
  return vec2(largest, sum);
}
