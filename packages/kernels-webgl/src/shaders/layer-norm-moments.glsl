// layer-norm, first pass: (mean, 1 / √(variance + epsilon)) of row i of x + residual. Sums are of differences to the
// row's first element, so that a large mean does not swallow a small variance.

float valueAt(sampler2D x, sampler2D residual, int hasResidual, int i) {
  return hasResidual == 1 ? at(x, i) + at(residual, i) : at(x, i);
}

vec2 element(int i, sampler2D x, sampler2D residual, int hasResidual, int modelDim, float epsilon) {
  int start = i * modelDim;
  float first = valueAt(x, residual, hasResidual, start);
  float sum = 0.0;
  for (int k = 1; k < modelDim; k++) sum += valueAt(x, residual, hasResidual, start + k) - first;
  float shift = sum / float(modelDim);
  float squares = 0.0;
  for (int k = 0; k < modelDim; k++) {
    float difference = valueAt(x, residual, hasResidual, start + k) - first - shift;
    squares += difference * difference;
  }
  return vec2(first + shift, inversesqrt(squares / float(modelDim) + epsilon));
}
