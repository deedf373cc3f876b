// linear for few rows, where tiles would be too few to fill a GPU: 16 threads share the inner dimension of 8 rows × 4
// features and add up what they have; a workgroup makes 8 × 16. Neighbouring threads read neighbouring vectors.
//
// Not measured on a GPU. 8 × 768 × 768 on two cores of an EPYC, GFLOP/s: llvmpipe 10 (linear-direct 14, linear-staged 1),
// SwiftShader 0.6 (3.1 and 0.3).

@group(0) @binding(1) var<storage, read> input: array<element4>;
@group(0) @binding(2) var<storage, read> weight: array<element4>;

// include: linear-output

const ROWS = 8u;
const LANES = 16u; // of the inner dimension
const THREADS = 64u;
const STEP = LANES;
const FEATURES = 4u * THREADS / LANES;
var<workgroup> parts: array<vec4f, ROWS * THREADS>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let tiles_across = (params.out_features + FEATURES - 1u) / FEATURES;
  let tile = index_of(workgroup, count);
  let first_row = tile / tiles_across * ROWS;
  let features = tile % tiles_across * FEATURES + thread / LANES * 4u + vec4u(0u, 1u, 2u, 3u);
  if (first_row >= params.rows) { return; }
  let lane = thread % LANES;
  let start = lane;
  // include: linear-rows
  for (var i = 0u; i < ROWS; i++) { parts[i * THREADS + thread] = sums[i]; }
  workgroupBarrier();
  if (lane >= ROWS) { return; }
  // The first threads of the sixteen take a row each.
  var sum = vec4f(0.0);
  for (var other = 0u; other < LANES; other++) { sum += parts[lane * THREADS + thread / LANES * LANES + other]; }
  for (var j = 0u; j < min(4u, params.out_features); j++) { put(first_row + lane, features[j], sum[j]); }
}
