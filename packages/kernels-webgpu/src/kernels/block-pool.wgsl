// block-pool: a thread a feature of a block. Whether a block has a present token is written by four blocks' own thread,
// into one word of bytes.

struct Params {
  batch: u32,
  heads: u32,
  tokens: u32,
  features: u32,
  block: u32,
  blocks: u32,
  extremes: u32, // 1: maximum, minimum, mean; 0: mean
  mask: u32, // 0: none
  batch_stride: u32,
  head_stride: u32,
  token_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<element>;
@group(0) @binding(2) var<storage, read> mask: array<u32>; // bytes
@group(0) @binding(3) var<storage, read_write> pooled: array<f32>;
@group(0) @binding(4) var<storage, read_write> present: array<u32>; // bytes

fn is_present(entry: u32, token: u32) -> bool {
  if (params.mask == 0u) { return true; }
  let at = entry * params.tokens + token;
  return byte_of(mask[at / 4u], at) != 0u;
}

// Four neighbouring blocks of all texts, in the order of the bytes.
fn write_present(word: u32) {
  var bytes = 0u;
  for (var i = 0u; i < 4u; i++) {
    let at = word * 4u + i;
    if (at >= params.batch * params.blocks) { break; }
    let entry = at / params.blocks;
    let start = at % params.blocks * params.block;
    for (var token = start; token < min(start + params.block, params.tokens); token++) {
      if (is_present(entry, token)) { bytes |= 1u << (8u * i); }
    }
  }
  present[word] = bytes;
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = index_of(workgroup, count) * 64u + thread;
  if (index * 4u < params.batch * params.blocks) { write_present(index); }
  if (index >= params.batch * params.heads * params.blocks * params.features) { return; }
  let feature = index % params.features;
  let row = index / params.features;
  let start = row % params.blocks * params.block;
  let head = row / params.blocks % params.heads;
  let entry = row / params.blocks / params.heads;
  let base = entry * params.batch_stride + head * params.head_stride + feature;
  var sum = 0.0;
  var largest = 0.0;
  var least = 0.0;
  var found = 0.0;
  for (var token = start; token < min(start + params.block, params.tokens); token++) {
    if (!is_present(entry, token)) { continue; }
    let value = f32(input[base + token * params.token_stride]);
    largest = select(max(largest, value), value, found == 0.0);
    least = select(min(least, value), value, found == 0.0);
    sum += value;
    found += 1.0;
  }
  let mean = sum / max(found, 1.0);
  if (params.extremes == 0u) {
    pooled[index] = mean;
  } else {
    let to = row * 3u * params.features + feature;
    pooled[to] = largest;
    pooled[to + params.features] = least;
    pooled[to + 2u * params.features] = mean;
  }
}
