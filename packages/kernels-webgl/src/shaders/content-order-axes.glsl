// content-order: the first dimension of largest variance of node i.

float element(int i, sampler2D variances, int rank) {
  int axis = 0;
  float largest = at(variances, i * rank);
  for (int r = 1; r < rank; r++) {
    float variance = at(variances, i * rank + r);
    if (variance > largest) {
      axis = r;
      largest = variance;
    }
  }
  return float(axis);
}
