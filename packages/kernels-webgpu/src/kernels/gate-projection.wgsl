// gate-projection: a thread a token of a head; its gate-space features stay in registers. Constants: RANK.

struct Params {
  batch: u32,
  heads: u32,
  tokens: u32,
  features: u32,
  batch_stride: u32,
  head_stride: u32,
  token_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<element>;
@group(0) @binding(2) var<storage, read> map: array<f32>; // [heads, features, rank]
@group(0) @binding(3) var<storage, read_write> output: array<f32>; // [batch, heads, tokens, rank]

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = index_of(workgroup, count) * 64u + thread;
  if (index >= params.batch * params.heads * params.tokens) { return; }
  let token = index % params.tokens;
  let head = index / params.tokens % params.heads;
  let entry = index / params.tokens / params.heads;
  let origin = entry * params.batch_stride + head * params.head_stride + token * params.token_stride;
  let map_start = head * params.features * RANK;
  var sums: array<f32, RANK>;
  for (var feature = 0u; feature < params.features; feature++) {
    let value = f32(input[origin + feature]);
    for (var r = 0u; r < RANK; r++) { sums[r] += value * map[map_start + feature * RANK + r]; }
  }
  for (var r = 0u; r < RANK; r++) { output[index * RANK + r] = sums[r]; }
}
