// First step of sparse-attention: keys and values of each head side by side, in key order, so that blocks and groups are
// neighbours. A row is the key, the value and (present, number of the key in two digits to the base 2048, which half
// precision keeps); an absent key's are zeros, whatever it held.

struct Params {
  batch: u32,
  heads: u32,
  keys: u32,
  head_vectors: u32, // headDim / 4
  batch_stride: u32, // in vectors of 4, as all strides
  head_stride: u32,
  token_stride: u32,
  mask: u32, // 0: none
  ordered: u32, // 0: natural order
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> key: array<element4>;
@group(0) @binding(2) var<storage, read> value: array<element4>;
@group(0) @binding(3) var<storage, read> key_mask: array<u32>; // bytes
@group(0) @binding(4) var<storage, read> key_order: array<i32>;
@group(0) @binding(5) var<storage, read_write> rows: array<element4>; // [batch, heads, keys, 2 · headVectors + 1]

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let width = 2u * params.head_vectors + 1u;
  let index = index_of(workgroup, count) * 64u + thread;
  if (index >= params.batch * params.heads * params.keys * width) { return; }
  let part = index % width;
  let row = index / width;
  let head = row / params.keys % params.heads;
  let entry = row / params.keys / params.heads;
  var token = row % params.keys;
  if (params.ordered > 0u) { token = u32(key_order[row]); }
  var present = true;
  if (params.mask > 0u) {
    let at = entry * params.keys + token;
    present = byte_of(key_mask[at / 4u], at) != 0u;
  }
  let origin = entry * params.batch_stride + head * params.head_stride + token * params.token_stride;
  var vector = element4(0.0);
  if (part == width - 1u) {
    vector = element4(vec4f(select(0.0, 1.0, present), f32(token % 2048u), f32(token / 2048u), 0.0));
  } else if (present) {
    if (part < params.head_vectors) {
      vector = key[origin + part];
    } else {
      vector = value[origin + part - params.head_vectors];
    }
  }
  rows[index] = vector;
}
