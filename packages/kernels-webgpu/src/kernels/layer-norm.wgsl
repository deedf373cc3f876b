// layer-norm: a workgroup a row. Mean first, then the variance of what is left of it: two passes over a row that is in
// cache by then, and no cancellation.

struct Params {
  rows: u32,
  model_dim: u32,
  epsilon: f32,
  residual: u32, // 0: none
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<element>;
@group(0) @binding(2) var<storage, read> residual: array<element>;
@group(0) @binding(3) var<storage, read> weight: array<element>;
@group(0) @binding(4) var<storage, read> bias: array<element>;
@group(0) @binding(5) var<storage, read_write> output: array<element>;

const THREADS = 64u;

// include: sum-of-all

fn value(at: u32) -> f32 {
  var sum = f32(input[at]);
  if (params.residual > 0u) { sum += f32(residual[at]); }
  return sum;
}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let row = index_of(workgroup, count);
  if (row >= params.rows) { return; }
  let start = row * params.model_dim;
  var sum = 0.0;
  for (var i = thread; i < params.model_dim; i += THREADS) { sum += value(start + i); }
  let mean = sum_of_all(thread, sum) / f32(params.model_dim);
  var squares = 0.0;
  for (var i = thread; i < params.model_dim; i += THREADS) {
    let distance = value(start + i) - mean;
    squares += distance * distance;
  }
  let variance = sum_of_all(thread, squares) / f32(params.model_dim);
  let factor = 1.0 / sqrt(variance + params.epsilon);
  for (var i = thread; i < params.model_dim; i += THREADS) {
    output[start + i] = element((value(start + i) - mean) * factor * f32(weight[i]) + f32(bias[i]));
  }
}
