// embedding: a thread an element. An id outside its table gives NaN, which the host hands in: WGSL has no literal for it.

struct Params {
  rows: u32,
  model_dim: u32,
  vocabulary: u32,
  positions: u32, // 0: none
  types: u32, // 0: none
  nan: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> token_ids: array<i32>;
@group(0) @binding(2) var<storage, read> word: array<element>;
@group(0) @binding(3) var<storage, read> position_ids: array<i32>;
@group(0) @binding(4) var<storage, read> position: array<element>;
@group(0) @binding(5) var<storage, read> type_ids: array<i32>;
@group(0) @binding(6) var<storage, read> types: array<element>;
@group(0) @binding(7) var<storage, read_write> output: array<element>;

fn inside(id: i32, rows: u32) -> bool { return id >= 0 && u32(id) < rows; }

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let at = index_of(workgroup, count) * 64u + thread;
  if (at >= params.rows * params.model_dim) { return; }
  let row = at / params.model_dim;
  let feature = at % params.model_dim;
  var valid = inside(token_ids[row], params.vocabulary);
  var sum = 0.0;
  if (valid) { sum = f32(word[u32(token_ids[row]) * params.model_dim + feature]); }
  if (params.positions > 0u) {
    let id = position_ids[row];
    if (inside(id, params.positions)) { sum += f32(position[u32(id) * params.model_dim + feature]); } else { valid = false; }
  }
  if (params.types > 0u) {
    let id = type_ids[row];
    if (inside(id, params.types)) { sum += f32(types[u32(id) * params.model_dim + feature]); } else { valid = false; }
  }
  output[at] = element(select(params.nan, sum, valid));
}
