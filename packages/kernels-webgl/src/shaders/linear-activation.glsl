// linear: the activations.

// Φ by Abramowitz & Stegun 7.1.26, absolute error below 1.5e-7.
float normalCdf(float x) {
  float z = abs(x) * 0.7071067811865476;
  float t = 1.0 / (1.0 + 0.3275911 * z);
  float polynomial = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  float tail = 0.5 * polynomial * exp(-z * z);
  return x < 0.0 ? tail : 1.0 - tail;
}

// GLSL's tanh may overflow to NaN for large arguments.
float safeTanh(float x) {
  float e = exp(-2.0 * abs(x));
  float y = (1.0 - e) / (1.0 + e);
  return x < 0.0 ? -y : y;
}

float activate(float x, int activation) {
  if (activation == 1) return x * normalCdf(x);
  if (activation == 2) return 0.5 * x * (1.0 + safeTanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
  if (activation == 3) return safeTanh(x);
  if (activation == 4) return x < 0.0 ? 0.0 : x;
  return x;
}
