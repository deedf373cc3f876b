// sparse-attention: a workgroup takes ROWS queries of a tile through the keys of the tile's list, CHUNK at a time, and then
// through its residual groups; see online-softmax.wgsl. A group's stand-in is made on the way into workgroup memory: the
// sums of the group (residual-groups.wgsl) minus the rows of what the list names of it, over their number.
// Constants: HEAD_DIM, ROWS, LANES, CHUNK.

// include: online-softmax

struct Params {
  batch: u32,
  heads: u32,
  queries: u32,
  keys: u32,
  batch_stride: u32, // of queries and outputs, in vectors of 4, as all strides
  head_stride: u32,
  token_stride: u32,
  tile_queries: u32,
  block: u32, // keys of a block
  slots: u32,
  group: u32, // keys of a residual group; 0: none
  groups: u32,
  ordered: u32, // 0: queries in natural order
  causal: u32,
  scale: f32,
  minus_infinity: f32,
  nan: f32,
  no_bound: u32, // 2^32 − 1
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> query: array<element4>;
@group(0) @binding(2) var<storage, read> rows: array<element4>; // order-keys.wgsl
@group(0) @binding(3) var<storage, read> groups: array<vec4f>; // residual-groups.wgsl
@group(0) @binding(4) var<storage, read> lists: array<i32>; // sort-lists.wgsl
@group(0) @binding(5) var<storage, read> query_order: array<i32>;
@group(0) @binding(6) var<storage, read_write> output: array<element4>;
@group(0) @binding(7) var<storage, read_write> lse: array<f32>;

const WIDTH = 2u * HEAD_VECTORS + 1u;
var<workgroup> entries: u32;
var<workgroup> position_of: array<u32, CHUNK>; // of a chunk's keys in key order
var<workgroup> first_slot: array<u32, CHUNK>; // of a chunk's groups: their entries in the list, …
var<workgroup> end_slot: array<u32, CHUNK>; // … up to this one
var<workgroup> stand_ins_for: array<f32, CHUNK>; // keys that a group stands in for

// The first slot of the tile's list whose block is `block` or a later one.
fn slot_from(list: u32, block: u32, list_entries: u32) -> u32 {
  var low = 0u;
  var high = list_entries;
  while (low < high) {
    let middle = (low + high) / 2u;
    if (u32(lists[list + middle]) < block) { low = middle + 1u; } else { high = middle; }
  }
  return low;
}

// Sum over a group minus what the list names of it; `part` is a vector of a row. One loop over slots and positions:
// Mesa 25 takes up to a minute for a shader with one in the other.
fn left_of_group(key_base: u32, group_base: u32, list: u32, group: u32, in_chunk: u32, part: u32) -> vec4f {
  var sum = groups[(group_base + group) * WIDTH + part];
  let first = first_slot[in_chunk] * params.block;
  let end = end_slot[in_chunk] * params.block;
  for (var i = first; i < end; i++) {
    let position = u32(lists[list + i / params.block]) * params.block + i % params.block;
    if (position < params.keys) { sum -= vec4f(rows[(key_base + position) * WIDTH + part]); }
  }
  return sum;
}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = index_of(workgroup, count);
  let parts = (params.tile_queries + ROWS - 1u) / ROWS;
  let tiles = (params.queries + params.tile_queries - 1u) / params.tile_queries;
  let tile = index / parts % tiles;
  let head = index / parts / tiles % params.heads;
  let entry = index / parts / tiles / params.heads;
  if (entry >= params.batch) { return; }
  let row = thread / LANES;
  let lane = thread % LANES;
  let place_in_tile = index % parts * ROWS + row;
  let place = tile * params.tile_queries + place_in_tile;
  let is_query = place_in_tile < params.tile_queries && place < params.queries;
  let batch_head = entry * params.heads + head;
  let query_base = entry * params.batch_stride + head * params.head_stride;
  let key_base = batch_head * params.keys;
  let group_base = batch_head * params.groups;
  let list = (batch_head * tiles + tile) * (params.slots + 1u) + 1u;

  var token = min(place, params.queries - 1u);
  if (params.ordered > 0u) { token = u32(query_order[batch_head * params.queries + token]); }
  for (var v = lane; v < HEAD_VECTORS; v += LANES) {
    queries[row * HEAD_VECTORS + v] = query[query_base + token * params.token_stride + v];
  }
  if (thread == 0u) { entries = u32(lists[list - 1u]); }
  let list_entries = workgroupUniformLoad(&entries);
  let shift = i32(params.keys) - i32(params.queries);

  for (var start = 0u; start < list_entries * params.block; start += CHUNK) {
    for (var k = thread; k < CHUNK; k += THREADS) {
      let slot = (start + k) / params.block;
      var position = params.keys;
      if (slot < list_entries) { position = u32(lists[list + slot]) * params.block + (start + k) % params.block; }
      let is_key = position < params.keys;
      position_of[k] = min(position, params.keys - 1u);
      let facts = rows[(key_base + position_of[k]) * WIDTH + WIDTH - 1u];
      bias[k] = select(ABSENT, 0.0, is_key && facts.x > 0.0);
      visible_from[k] = select(-2147483647, i32(facts.z) * 2048 + i32(facts.y) - shift, params.causal > 0u);
    }
    workgroupBarrier();
    for (var i = thread; i < CHUNK * HEAD_VECTORS; i += THREADS) {
      chunk[i] = rows[(key_base + position_of[i / HEAD_VECTORS]) * WIDTH + i % HEAD_VECTORS];
    }
    score_chunk(thread, i32(token), params.scale);
    for (var i = thread; i < CHUNK * HEAD_VECTORS; i += THREADS) {
      let k = i / HEAD_VECTORS;
      let loaded = rows[(key_base + position_of[k]) * WIDTH + HEAD_VECTORS + i % HEAD_VECTORS];
      chunk[i] = select(element4(0.0), loaded, bias[k] > ABSENT_BELOW);
    }
    add_chunk(thread);
  }

  for (var start = 0u; start < params.groups; start += CHUNK) {
    for (var k = thread; k < CHUNK; k += THREADS) {
      let group = start + k;
      var left = 0.0;
      if (group < params.groups) {
        first_slot[k] = slot_from(list, group * params.group / params.block, list_entries);
        end_slot[k] = slot_from(list, (group + 1u) * params.group / params.block, list_entries);
        left = left_of_group(key_base, group_base, list, group, k, WIDTH - 1u).x;
      }
      stand_ins_for[k] = left;
      bias[k] = select(ABSENT, log(max(left, 1.0)), left > 0.5);
      visible_from[k] = -2147483647;
    }
    workgroupBarrier();
    for (var i = thread; i < CHUNK * HEAD_VECTORS; i += THREADS) {
      let k = i / HEAD_VECTORS;
      var mean = vec4f(0.0);
      if (bias[k] > ABSENT_BELOW) {
        mean = left_of_group(key_base, group_base, list, start + k, k, i % HEAD_VECTORS) / stand_ins_for[k];
      }
      chunk[i] = element4(mean);
    }
    score_chunk(thread, i32(token), params.scale);
    for (var i = thread; i < CHUNK * HEAD_VECTORS; i += THREADS) {
      let k = i / HEAD_VECTORS;
      var mean = vec4f(0.0);
      if (bias[k] > ABSENT_BELOW) {
        let part = HEAD_VECTORS + i % HEAD_VECTORS;
        mean = left_of_group(key_base, group_base, list, start + k, k, part) / stand_ins_for[k];
      }
      chunk[i] = element4(mean);
    }
    add_chunk(thread);
  }

  if (!is_query) { return; }
  let factor = output_factor(params.nan);
  for (var own = 0u; own < OWN_VECTORS; own++) {
    let v = lane + own * LANES;
    if (v < HEAD_VECTORS) { output[query_base + token * params.token_stride + v] = element4(sums[own] * factor); }
  }
  if (lane == 0u) {
    lse[batch_head * params.queries + token] =
      log_sum_exp(params.nan, params.minus_infinity);
  }
}
