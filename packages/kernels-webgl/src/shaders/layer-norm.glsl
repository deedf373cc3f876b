// layer-norm, second pass: (x + residual − mean) · scale · weight + bias, with the row's moments from the first.

float element(int i, sampler2D x, sampler2D residual, int hasResidual, sampler2D moments, sampler2D weight, sampler2D bias, int modelDim) {
  int column = i % modelDim;
  vec2 moment = pairAt(moments, i / modelDim);
  float value = hasResidual == 1 ? at(x, i) + at(residual, i) : at(x, i);
  return (value - moment.x) * moment.y * at(weight, column) + at(bias, column);
}
