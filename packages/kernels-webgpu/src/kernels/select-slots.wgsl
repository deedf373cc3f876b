// First step of select-slots: the tokens that a slot keeps. A workgroup a slot of a head.

struct Params {
  batch: u32,
  heads: u32,
  tokens: u32,
  slot_count: u32,
  wanted: u32,
  mask: u32, // 0: none
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> scores: array<element>; // [batch, tokens, heads, slotCount]
@group(0) @binding(2) var<storage, read> mask: array<u32>; // bytes
@group(0) @binding(3) var<storage, read_write> lists: array<i32>; // [batch, heads, slotCount, wanted]

// include: select

var<private> entry: u32;
var<private> head: u32;
var<private> slot: u32;

fn key_of(token: u32) -> u32 {
  let at = entry * params.tokens + token;
  if (params.mask > 0u && byte_of(mask[at / 4u], at) == 0u) { return 0u; }
  return ordered_key(f32(scores[(at * params.heads + head) * params.slot_count + slot]));
}

fn list_start() -> u32 { return ((entry * params.heads + head) * params.slot_count + slot) * params.wanted; }

fn take(token: u32, place: u32) { lists[list_start() + place] = i32(token); }

fn leave(token: u32, place: u32) {}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = index_of(workgroup, count);
  if (index >= params.batch * params.heads * params.slot_count) { return; }
  slot = index % params.slot_count;
  head = index / params.slot_count % params.heads;
  entry = index / params.slot_count / params.heads;
  let threshold = threshold_of(thread, params.tokens, params.wanted);
  let taken = part(thread, params.tokens, threshold);
  for (var place = taken + thread; place < params.wanted; place += THREADS) { lists[list_start() + place] = -1; }
}
