// select-top-k: a workgroup finds the list of a tile: the blocks whose mean feature scores highest with the tile's. Scores
// are kept in workgroup memory where they fit (CACHE > 0), otherwise made anew whenever they are looked at: RANK
// multiply-adds cost less than the memory would. Run twice for two levels, first over coarse groups of blocks.
// Constants: RANK, CACHE.

struct Params {
  heads: u32, // of all texts
  heads_of_text: u32,
  tiles: u32,
  blocks: u32,
  candidates: u32,
  wanted: u32,
  tile_queries: u32,
  block_keys: u32,
  queries: u32,
  keys: u32,
  causal: u32,
  force_first: u32,
  force_diagonal: u32,
  bias_span: i32, // −1: no bias
  coarse_blocks: u32, // 0: all blocks are candidates
  coarse_slots: u32,
  has_head_slots: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> tile_features: array<f32>; // [heads, tiles, rank + 1]
@group(0) @binding(2) var<storage, read> block_features: array<f32>; // [heads, blocks, rank + 1]
@group(0) @binding(3) var<storage, read> relative_bias: array<f32>; // [headsOfText, 2 · span + 1]
@group(0) @binding(4) var<storage, read> coarse_lists: array<i32>; // [heads, tiles, coarseSlots]
@group(0) @binding(5) var<storage, read_write> indices: array<i32>; // [heads, tiles, wanted]
@group(0) @binding(6) var<storage, read> head_slots: array<i32>; // [headsOfText]

// include: select

var<workgroup> cache: array<u32, max(CACHE, 1u)>;
var<private> head: u32;
var<private> tile: u32;
var<private> feature: array<f32, RANK>;

fn is_forced(block: u32) -> bool {
  return block < params.force_first || u32(abs(i32(block) - i32(tile))) < params.force_diagonal;
}

// The block that a candidate stands for; `blocks` for none. Forced blocks can lie outside all coarse groups that were
// chosen, so that with them every block is a candidate.
fn block_of(candidate: u32) -> u32 {
  if (params.coarse_blocks == 0u || params.candidates == params.blocks) { return candidate; }
  let group = coarse_lists[(head * params.tiles + tile) * params.coarse_slots + candidate / params.coarse_blocks];
  if (group < 0) { return params.blocks; }
  return u32(group) * params.coarse_blocks + candidate % params.coarse_blocks;
}

fn is_reachable(block: u32) -> bool {
  if (params.coarse_blocks == 0u || params.candidates != params.blocks) { return true; }
  let list = (head * params.tiles + tile) * params.coarse_slots;
  for (var slot = 0u; slot < params.coarse_slots; slot++) {
    if (coarse_lists[list + slot] == i32(block / params.coarse_blocks)) { return true; }
  }
  return false;
}

fn score_key(candidate: u32) -> u32 {
  let block = block_of(candidate);
  if (block >= params.blocks) { return 0u; }
  let origin = (head * params.blocks + block) * (RANK + 1u);
  if (block_features[origin + RANK] == 0.0) { return 0u; }
  if (params.causal > 0u) {
    let last_query = i32(min((tile + 1u) * params.tile_queries, params.queries)) - 1;
    if (i32(block * params.block_keys) > last_query + i32(params.keys) - i32(params.queries)) { return 0u; }
  }
  if (is_forced(block)) { return FORCED; }
  if (!is_reachable(block)) { return 0u; }
  var score = 0.0;
  for (var r = 0u; r < RANK; r++) { score += feature[r] * block_features[origin + r]; }
  if (params.bias_span >= 0) {
    let distance = clamp(i32(block) - i32(tile), -params.bias_span, params.bias_span) + params.bias_span;
    score += relative_bias[head % params.heads_of_text * u32(2 * params.bias_span + 1) + u32(distance)];
  }
  return ordered_key(score);
}

fn key_of(candidate: u32) -> u32 {
  if (CACHE > 0u) { return cache[candidate]; }
  return score_key(candidate);
}

fn take(candidate: u32, place: u32) {
  indices[(head * params.tiles + tile) * params.wanted + place] = i32(block_of(candidate));
}

fn leave(candidate: u32, place: u32) {}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = index_of(workgroup, count);
  if (index >= params.heads * params.tiles) { return; }
  head = index / params.tiles;
  tile = index % params.tiles;
  for (var r = 0u; r < RANK; r++) { feature[r] = tile_features[index * (RANK + 1u) + r]; }
  if (CACHE > 0u) {
    for (var candidate = thread; candidate < params.candidates; candidate += THREADS) {
      cache[candidate] = score_key(candidate);
    }
    workgroupBarrier();
  }
  var wanted = params.wanted;
  if (params.has_head_slots > 0u) { wanted = min(wanted, u32(max(head_slots[head % params.heads_of_text], 1))); }
  let threshold = threshold_of(thread, params.candidates, wanted);
  let taken = part(thread, params.candidates, threshold);
  for (var slot = taken + thread; slot < params.wanted; slot += THREADS) {
    indices[index * params.wanted + slot] = -1;
  }
}
