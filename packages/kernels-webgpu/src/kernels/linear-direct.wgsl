// linear straight from memory: a thread makes 8 rows × 4 features from vectors of the inner dimension, and nothing is shared
// but the caches. All threads of a workgroup read the same rows. No barriers, no transposing: what devices want that
// compute on a CPU. Per product fewer loads than shared tiles would take, each of which is a load there, too.
//
// 512 × 768 × 768, GFLOP/s of two cores of an EPYC (least CPU time of four runs): llvmpipe 3.1 with 4 × 4 scalars through
// workgroup memory → 8.2 linear-staged → 10 this; SwiftShader 0.9 → 1.7 → 2.8. A weight packed beforehand so that
// neighbouring threads read neighbours was no faster; 4, 12 and 16 rows were slower on one of the two. Not measured on a GPU.

@group(0) @binding(1) var<storage, read> input: array<element4>;
@group(0) @binding(2) var<storage, read> weight: array<element4>;

// include: linear-output

const ROWS = 8u;
const THREADS = 32u;
const STEP = 1u;
const FEATURES = 4u * THREADS;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let tiles_across = (params.out_features + FEATURES - 1u) / FEATURES;
  let tile = index_of(workgroup, count);
  let first_row = tile / tiles_across * ROWS;
  let features = tile % tiles_across * FEATURES + thread + THREADS * vec4u(0u, 1u, 2u, 3u);
  if (first_row >= params.rows) { return; }
  let start = 0u;
  // include: linear-rows
  // Bounds that Mesa does not know, or it takes seconds to compile 32 copies of the activation.
  let rows = min(ROWS, params.rows - first_row);
  for (var i = 0u; i < rows; i++) {
    for (var j = 0u; j < min(4u, params.out_features); j++) { put(first_row + i, features[j], sums[i][j]); }
  }
}
