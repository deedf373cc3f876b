// A texture of one number: what an op gives where there is nothing to compute from.

float element(int i, int isNegativeInfinity) {
  return isNegativeInfinity == 1 ? negativeInfinity() : 0.0;
}
