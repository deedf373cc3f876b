// Second step of select-slots: each query takes the list of the slot that it scores highest in. A thread a query.

struct Params {
  batch: u32,
  heads: u32,
  tokens: u32,
  slot_count: u32,
  wanted: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> scores: array<element>; // [batch, tokens, heads, slotCount]
@group(0) @binding(2) var<storage, read> lists: array<i32>; // [batch, heads, slotCount, wanted]
@group(0) @binding(3) var<storage, read_write> indices: array<i32>; // [batch, heads, tokens, wanted]

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
  let origin = ((entry * params.tokens + token) * params.heads + head) * params.slot_count;
  var best = 0u;
  for (var slot = 1u; slot < params.slot_count; slot++) {
    if (scores[origin + slot] > scores[origin + best]) { best = slot; }
  }
  let list = ((entry * params.heads + head) * params.slot_count + best) * params.wanted;
  for (var place = 0u; place < params.wanted; place++) { indices[index * params.wanted + place] = lists[list + place]; }
}
