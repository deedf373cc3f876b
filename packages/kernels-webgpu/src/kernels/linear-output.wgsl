// What the shaders of linear share: parameters, and what happens to a sum: bias, activation, its place. The including file
// binds `input` and `weight`.

struct Params {
  rows: u32,
  in_features: u32,
  out_features: u32,
  bias: u32, // 0: none
  activation: u32, // 0 none, 1 gelu, 2 gelu-tanh, 3 tanh, 4 relu
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> bias: array<element>;
@group(0) @binding(4) var<storage, read_write> output: array<element>;

// erf by Abramowitz & Stegun 7.1.26, to 1.5e-7.
fn erf(x: f32) -> f32 {
  let t = 1.0 / (1.0 + 0.3275911 * abs(x));
  let polynomial = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return sign(x) * (1.0 - polynomial * exp(-x * x));
}

// The built-in may overflow on the way, for it is allowed to be sinh / cosh.
fn bounded_tanh(x: f32) -> f32 {
  let small = x * (1.0 - x * x * (1.0 / 3.0 - x * x * (2.0 / 15.0)));
  let e = exp(-2.0 * abs(x));
  return select(sign(x) * (1.0 - e) / (1.0 + e), small, abs(x) < 0.05);
}

fn activate(x: f32) -> f32 {
  switch (params.activation) {
    case 1u: { return 0.5 * x * (1.0 + erf(x * 0.7071067811865476)); }
    case 2u: { return 0.5 * x * (1.0 + bounded_tanh(0.7978845608028654 * (x + 0.044715 * x * x * x))); }
    case 3u: { return bounded_tanh(x); }
    case 4u: { return max(x, 0.0); }
    default: { return x; }
  }
}

fn put(row: u32, feature: u32, sum: f32) {
  if (row >= params.rows || feature >= params.out_features) { return; }
  var value = sum;
  if (params.bias > 0u) { value += f32(bias[feature]); }
  output[row * params.out_features + feature] = element(activate(value));
}
