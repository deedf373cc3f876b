// Lists as sparse-attention wants them: entries that name a block, ascending, each once; after them −1. Gates write them
// like that, and then this is a copy; lists of a caller's may hold anything. A workgroup a list.

struct Params {
  lists: u32,
  slots: u32,
  blocks: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> indices: array<i32>;
@group(0) @binding(2) var<storage, read_write> sorted: array<i32>; // [lists, slots + 1]: the number of entries first

const THREADS = 32u;
var<workgroup> disorder: atomic<u32>;
var<workgroup> entries: atomic<u32>;

fn names_block(entry: i32) -> bool { return entry >= 0 && u32(entry) < params.blocks; }

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let list = index_of(workgroup, count);
  if (list >= params.lists) { return; }
  let origin = list * params.slots;
  let to = list * (params.slots + 1u) + 1u;
  for (var slot = thread; slot < params.slots; slot += THREADS) {
    let entry = indices[origin + slot];
    if (names_block(entry)) {
      atomicAdd(&entries, 1u);
      if (slot > 0u && indices[origin + slot - 1u] >= entry) { atomicAdd(&disorder, 1u); }
      if (slot > 0u && !names_block(indices[origin + slot - 1u])) { atomicAdd(&disorder, 1u); }
    }
  }
  workgroupBarrier();
  let in_order = atomicLoad(&disorder) == 0u;
  workgroupBarrier();
  if (!in_order && thread == 0u) { atomicStore(&entries, 0u); }
  workgroupBarrier();
  for (var slot = thread; slot < params.slots; slot += THREADS) {
    let entry = indices[origin + slot];
    if (in_order) {
      sorted[to + slot] = select(-1, entry, names_block(entry));
      continue;
    }
    if (!names_block(entry)) { continue; }
    // Its place is the number of different smaller entries; the first of equal ones takes it.
    var first = true;
    var place = 0u;
    for (var other = 0u; other < params.slots; other++) {
      let against = indices[origin + other];
      if (against == entry && other < slot) { first = false; break; }
      if (!names_block(against) || against >= entry) { continue; }
      var first_of_equals = true;
      for (var before = 0u; before < other; before++) {
        if (indices[origin + before] == against) { first_of_equals = false; break; }
      }
      if (first_of_equals) { place++; }
    }
    if (first) {
      sorted[to + place] = entry;
      atomicAdd(&entries, 1u);
    }
  }
  workgroupBarrier();
  if (thread == 0u) { sorted[to - 1u] = i32(atomicLoad(&entries)); }
}
