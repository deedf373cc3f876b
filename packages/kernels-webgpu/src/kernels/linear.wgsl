// linear: output = activation(input · weightᵀ + bias), for inner dimensions that are no whole vectors; the others have
// linear-staged, linear-direct and linear-split. A workgroup makes a tile of 64 rows × 64 features, a thread 4 × 4 of it;
// 16 of the inner dimension at a time go through workgroup memory (8 KiB), depth-major, so that a thread reads what it
// multiplies side by side.

@group(0) @binding(1) var<storage, read> input: array<element>;
@group(0) @binding(2) var<storage, read> weight: array<element>;

// include: linear-output

const TILE = 64u;
const DEPTH = 16u;
const THREADS = 256u;
var<workgroup> rows_tile: array<element, TILE * DEPTH>;
var<workgroup> features_tile: array<element, TILE * DEPTH>;

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
  let row = thread / 16u * 4u;
  let feature = thread % 16u * 4u;

  var sums: array<vec4f, 4>;
  for (var depth = 0u; depth < params.in_features; depth += DEPTH) {
    workgroupBarrier();
    for (var i = thread; i < TILE * DEPTH; i += THREADS) {
      let line = i / DEPTH;
      let step = i % DEPTH;
      let inner = depth + step;
      let inside = inner < params.in_features;
      var a = element(0.0);
      if (inside && first_row + line < params.rows) { a = input[(first_row + line) * params.in_features + inner]; }
      var b = element(0.0);
      if (inside && first_feature + line < params.out_features) {
        b = weight[(first_feature + line) * params.in_features + inner];
      }
      rows_tile[step * TILE + line] = a;
      features_tile[step * TILE + line] = b;
    }
    workgroupBarrier();
    for (var step = 0u; step < DEPTH; step++) {
      let at = step * TILE;
      let b = vec4f(element4(
        features_tile[at + feature],
        features_tile[at + feature + 1u],
        features_tile[at + feature + 2u],
        features_tile[at + feature + 3u],
      ));
      sums[0] += f32(rows_tile[at + row]) * b;
      sums[1] += f32(rows_tile[at + row + 1u]) * b;
      sums[2] += f32(rows_tile[at + row + 2u]) * b;
      sums[3] += f32(rows_tile[at + row + 3u]) * b;
    }
  }
  for (var i = 0u; i < 4u; i++) {
    for (var j = 0u; j < 4u; j++) { put(first_row + row + i, first_feature + feature + j, sums[i][j]); }
  }
}
