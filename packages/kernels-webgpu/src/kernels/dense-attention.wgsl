// dense-attention: a workgroup takes ROWS queries of a head through all its keys, CHUNK at a time; see online-softmax.wgsl.
// Nothing of queries × keys is kept. Constants: HEAD_DIM, ROWS, LANES, CHUNK.

// include: online-softmax

struct Params {
  batch: u32,
  heads: u32,
  queries: u32,
  keys: u32,
  query_batch_stride: u32, // in vectors of 4, as all strides
  query_head_stride: u32,
  query_token_stride: u32,
  key_batch_stride: u32,
  key_head_stride: u32,
  key_token_stride: u32,
  scale: f32,
  mask: u32, // 0: none
  causal: u32,
  minus_infinity: f32,
  nan: f32,
  no_bound: u32, // 2^32 − 1
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> query: array<element4>;
@group(0) @binding(2) var<storage, read> key: array<element4>;
@group(0) @binding(3) var<storage, read> value: array<element4>;
@group(0) @binding(4) var<storage, read> key_mask: array<u32>; // bytes
@group(0) @binding(5) var<storage, read_write> output: array<element4>;
@group(0) @binding(6) var<storage, read_write> lse: array<f32>;

fn present(entry: u32, token: u32) -> bool {
  if (params.mask == 0u) { return true; }
  let at = entry * params.keys + token;
  return byte_of(key_mask[at / 4u], at) != 0u;
}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = index_of(workgroup, count);
  let tiles = (params.queries + ROWS - 1u) / ROWS;
  let head = index / tiles % params.heads;
  let entry = index / tiles / params.heads;
  if (entry >= params.batch) { return; }
  let first = index % tiles * ROWS;
  let row = thread / LANES;
  let lane = thread % LANES;
  let token = first + row;
  let query_base = entry * params.query_batch_stride + head * params.query_head_stride;
  let key_base = entry * params.key_batch_stride + head * params.key_head_stride;

  for (var i = thread; i < ROWS * HEAD_VECTORS; i += THREADS) {
    let origin = min(first + i / HEAD_VECTORS, params.queries - 1u);
    queries[i] = query[query_base + origin * params.query_token_stride + i % HEAD_VECTORS];
  }
  // Key j is visible to query i when j ≤ i + shift.
  let shift = i32(params.keys) - i32(params.queries);
  let last = i32(min(first + ROWS, params.queries)) - 1;
  var end = params.keys;
  if (params.causal > 0u) { end = u32(clamp(last + shift + 1, 0, i32(params.keys))); }
  for (var start = 0u; start < end; start += CHUNK) {
    for (var k = thread; k < CHUNK; k += THREADS) {
      let at = start + k;
      bias[k] = select(ABSENT, 0.0, at < end && present(entry, min(at, params.keys - 1u)));
      visible_from[k] = select(-2147483647, i32(at) - shift, params.causal > 0u);
    }
    for (var i = thread; i < CHUNK * HEAD_VECTORS; i += THREADS) {
      let at = min(start + i / HEAD_VECTORS, params.keys - 1u);
      chunk[i] = key[key_base + at * params.key_token_stride + i % HEAD_VECTORS];
    }
    score_chunk(thread, i32(token), params.scale);
    for (var i = thread; i < CHUNK * HEAD_VECTORS; i += THREADS) {
      let at = min(start + i / HEAD_VECTORS, params.keys - 1u);
      let loaded = value[key_base + at * params.key_token_stride + i % HEAD_VECTORS];
      chunk[i] = select(element4(0.0), loaded, bias[i / HEAD_VECTORS] > ABSENT_BELOW);
    }
    add_chunk(thread);
  }
  if (token >= params.queries) { return; }
  let factor = output_factor(params.nan);
  for (var own = 0u; own < OWN_VECTORS; own++) {
    let v = lane + own * LANES;
    if (v < HEAD_VECTORS) { output[query_base + token * params.query_token_stride + v] = element4(sums[own] * factor); }
  }
  if (lane == 0u) {
    lse[(entry * params.heads + head) * params.queries + token] =
      log_sum_exp(params.nan, params.minus_infinity);
  }
}
