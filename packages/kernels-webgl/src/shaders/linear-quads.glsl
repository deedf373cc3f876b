// linear.glsl for four columns at once, where inFeatures and outFeatures are multiples of four: each texel of x is
// fetched once for sixteen multiply-adds, with four of the weight.

vec4 element(int i, sampler2D x, sampler2D weight, sampler2D bias, int hasBias, int inFeatures, int outFeatures, int activation) {
  int column = i % outFeatures;
  int depth = inFeatures / 4;
  int row = (i / outFeatures) * depth;
  int first = column * depth;
  vec4 sum = vec4(0.0);
  for (int k = 0; k < depth; k++) {
    vec4 a = quadAt(x, row + k);
    sum.x += dot(a, quadAt(weight, first + k));
    sum.y += dot(a, quadAt(weight, first + depth + k));
    sum.z += dot(a, quadAt(weight, first + 2 * depth + k));
    sum.w += dot(a, quadAt(weight, first + 3 * depth + k));
  }
  if (hasBias == 1) sum += quadAt(bias, column / 4);
  return vec4(activate(sum.x, activation), activate(sum.y, activation), activate(sum.z, activation), activate(sum.w, activation));
}
