// First step of content-order: the tokens that are present, ascending, and after them those that are not; and how many are
// present. A workgroup a head.

struct Params {
  heads: u32, // of all texts
  heads_of_text: u32,
  tokens: u32,
  mask: u32, // 0: none
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> mask: array<u32>; // bytes
@group(0) @binding(2) var<storage, read_write> order: array<i32>; // [heads, tokens]
@group(0) @binding(3) var<storage, read_write> present: array<u32>; // [heads]

const THREADS = 64u;
var<workgroup> counts: array<u32, THREADS>;

fn is_present(head: u32, token: u32) -> bool {
  if (params.mask == 0u) { return true; }
  let at = head / params.heads_of_text * params.tokens + token;
  return byte_of(mask[at / 4u], at) != 0u;
}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let head = index_of(workgroup, count);
  if (head >= params.heads) { return; }
  // Each thread has a piece of neighbours.
  let piece = (params.tokens + THREADS - 1u) / THREADS;
  let start = min(thread * piece, params.tokens);
  let end = min(start + piece, params.tokens);
  var own = 0u;
  for (var token = start; token < end; token++) { own += select(0u, 1u, is_present(head, token)); }
  counts[thread] = own;
  workgroupBarrier();
  var before = 0u;
  var all = 0u;
  for (var other = 0u; other < THREADS; other++) {
    if (other == thread) { before = all; }
    all += counts[other];
  }
  var to = before;
  var to_absent = all + start - before;
  for (var token = start; token < end; token++) {
    if (is_present(head, token)) {
      order[head * params.tokens + to] = i32(token);
      to++;
    } else {
      order[head * params.tokens + to_absent] = i32(token);
      to_absent++;
    }
  }
  if (thread == 0u) { present[head] = all; }
}
