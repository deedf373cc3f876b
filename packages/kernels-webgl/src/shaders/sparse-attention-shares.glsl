// sparse-attention: element (row, group) is the weight of each single key that a group stands for: what the sum of the
// group's values counts for in the output, and each selected one of them less.

float element(int i, sampler2D remains, sampler2D state, int groups) {
  vec2 remain = pairAt(remains, i);
  vec2 now = pairAt(state, i / groups);
  return remain.y == 0.0 ? 0.0 : exp(remain.x - now.x) / (now.y * remain.y);
}
