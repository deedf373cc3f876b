// linear by tiles of 64 rows × 64 features that go through workgroup memory (8 KiB), 16 of the inner dimension at a time,
// depth-major: the usual way on GPUs. A thread makes 8 × 8 of a tile, from four vectors a step; neighbouring threads read
// neighbouring vectors. The products are written out: SwiftShader keeps an array in memory when its index varies, at a
// third of the speed.

@group(0) @binding(1) var<storage, read> input: array<element4>;
@group(0) @binding(2) var<storage, read> weight: array<element4>;

// include: linear-output

const TILE = 64u;
const QUADS = TILE / 4u;
const DEPTH = 4u; // in vectors
const THREADS = QUADS * DEPTH;
var<workgroup> rows_tile: array<vec4f, 4u * DEPTH * QUADS>; // a vector: four rows at one depth
var<workgroup> features_tile: array<vec4f, 4u * DEPTH * QUADS>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let tiles_across = (params.out_features + TILE - 1u) / TILE;
  let tile = index_of(workgroup, count);
  let first_row = tile / tiles_across * TILE;
  let first_feature = tile % tiles_across * TILE;
  if (first_row >= params.rows) { return; }
  let depths = params.in_features / 4u;
  // Lines that this thread loads; beyond the last one it loads that, for sums that nobody takes.
  let quad = thread / DEPTH;
  let lines = 4u * quad + vec4u(0u, 1u, 2u, 3u);
  let row_bases = min(first_row + lines, vec4u(params.rows - 1u)) * depths;
  let feature_bases = min(first_feature + lines, vec4u(params.out_features - 1u)) * depths;
  // Quads that it multiplies: two of rows side by side, two of features a half tile apart.
  let row_quad = thread / 8u * 2u;
  let feature_quad = thread % 8u;

  var sums: array<vec4f, 16>;
  for (var depth = 0u; depth < depths; depth += DEPTH) {
    workgroupBarrier();
    let own = depth + thread % DEPTH;
    var a = mat4x4f();
    var b = mat4x4f();
    if (own < depths) {
      a = transpose(mat4x4f(
        vec4f(input[row_bases.x + own]),
        vec4f(input[row_bases.y + own]),
        vec4f(input[row_bases.z + own]),
        vec4f(input[row_bases.w + own]),
      ));
      b = transpose(mat4x4f(
        vec4f(weight[feature_bases.x + own]),
        vec4f(weight[feature_bases.y + own]),
        vec4f(weight[feature_bases.z + own]),
        vec4f(weight[feature_bases.w + own]),
      ));
    }
    let to = thread % DEPTH * 4u * QUADS + quad;
    rows_tile[to + 0u * QUADS] = a[0];
    features_tile[to + 0u * QUADS] = b[0];
    rows_tile[to + 1u * QUADS] = a[1];
    features_tile[to + 1u * QUADS] = b[1];
    rows_tile[to + 2u * QUADS] = a[2];
    features_tile[to + 2u * QUADS] = b[2];
    rows_tile[to + 3u * QUADS] = a[3];
    features_tile[to + 3u * QUADS] = b[3];
    workgroupBarrier();
    for (var step = 0u; step < 4u * DEPTH; step++) {
      let a0 = rows_tile[step * QUADS + row_quad];
      let a1 = rows_tile[step * QUADS + row_quad + 1u];
      let b0 = features_tile[step * QUADS + feature_quad];
      let b1 = features_tile[step * QUADS + feature_quad + 8u];
      sums[0] += a0.x * b0;
      sums[1] += a0.x * b1;
      sums[2] += a0.y * b0;
      sums[3] += a0.y * b1;
      sums[4] += a0.z * b0;
      sums[5] += a0.z * b1;
      sums[6] += a0.w * b0;
      sums[7] += a0.w * b1;
      sums[8] += a1.x * b0;
      sums[9] += a1.x * b1;
      sums[10] += a1.y * b0;
      sums[11] += a1.y * b1;
      sums[12] += a1.z * b0;
      sums[13] += a1.z * b1;
      sums[14] += a1.w * b0;
      sums[15] += a1.w * b1;
    }
  }
  // Bounds that Mesa does not know, or it takes seconds to compile 64 copies of the activation.
  let row = first_row + 4u * row_quad;
  let rows = min(8u, max(row, params.rows) - row);
  for (var i = 0u; i < rows; i++) {
    for (var j = 0u; j < min(8u, params.out_features); j++) {
      let feature = first_feature + 4u * (feature_quad + j / 4u * 8u) + j % 4u;
      put(row + i, feature, sums[2u * i + j / 4u][j % 4u]);
    }
  }
}
