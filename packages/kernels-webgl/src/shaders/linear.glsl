// linear: element (row, column) = activation(Σ x[row] · weight[column] + bias[column]).

float element(int i, sampler2D x, sampler2D weight, sampler2D bias, int hasBias, int inFeatures, int outFeatures, int activation) {
  int column = i % outFeatures;
  float sum = dotOf(x, (i / outFeatures) * inFeatures, weight, column * inFeatures, inFeatures);
  if (hasBias == 1) sum += at(bias, column);
  return activate(sum, activation);
}
