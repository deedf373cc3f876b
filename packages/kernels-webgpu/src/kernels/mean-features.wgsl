// First step of select-top-k: for pieces of neighbouring tokens in an order, the mean of those that are present, and how
// many they are. A thread a feature of a piece. Constants: RANK.

struct Params {
  batch: u32,
  heads: u32,
  tokens: u32,
  size: u32, // tokens of a piece
  pieces: u32,
  mask: u32, // 0: none
  ordered: u32, // 0: natural order
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> points: array<f32>; // [batch, heads, tokens, rank]
@group(0) @binding(2) var<storage, read> mask: array<u32>; // bytes
@group(0) @binding(3) var<storage, read> order: array<i32>;
@group(0) @binding(4) var<storage, read_write> features: array<f32>; // [batch, heads, pieces, rank + 1]: the number last

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = index_of(workgroup, count) * 64u + thread;
  if (index >= params.batch * params.heads * params.pieces * (RANK + 1u)) { return; }
  let feature = index % (RANK + 1u);
  let piece = index / (RANK + 1u) % params.pieces;
  let batch_head = index / (RANK + 1u) / params.pieces;
  let entry = batch_head / params.heads;
  var sum = 0.0;
  var found = 0.0;
  for (var position = piece * params.size; position < min((piece + 1u) * params.size, params.tokens); position++) {
    var token = position;
    if (params.ordered > 0u) { token = u32(order[batch_head * params.tokens + position]); }
    if (params.mask > 0u) {
      let at = entry * params.tokens + token;
      if (byte_of(mask[at / 4u], at) == 0u) { continue; }
    }
    if (feature < RANK) { sum += points[(batch_head * params.tokens + token) * RANK + feature]; }
    found += 1.0;
  }
  features[index] = select(sum / max(found, 1.0), found, feature == RANK);
}
