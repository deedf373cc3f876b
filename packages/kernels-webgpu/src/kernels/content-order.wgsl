// content-order: one level of the kd-tree. A workgroup splits a node in two; nodes of at most LEAF tokens stay as they are.
// Tokens of a node are ascending before and after, since both sides keep their order: so a leaf's are, and equal values
// keep token order. Constants: RANK.

struct Params {
  heads: u32, // of all texts
  tokens: u32,
  leaf: u32,
  level: u32, // nodes of this level: 2^level
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> points: array<f32>; // [heads, tokens, rank]
@group(0) @binding(2) var<storage, read> present: array<u32>; // [heads]
@group(0) @binding(3) var<storage, read> before: array<i32>; // [heads, tokens]
@group(0) @binding(4) var<storage, read_write> after: array<i32>;

// include: select

// include: sum-of-all

var<workgroup> present_here: u32;
var<private> base: u32; // of the node, in its head's order
var<private> head_base: u32;
var<private> axis: u32;
var<private> left: u32; // tokens that go left

fn value(place: u32, dimension: u32) -> f32 {
  return points[(head_base + u32(before[base + place])) * RANK + dimension];
}

// The smallest values are wanted.
fn key_of(place: u32) -> u32 { return ~ordered_key(value(place, axis)); }

fn take(place: u32, to: u32) { after[base + to] = before[base + place]; }

fn leave(place: u32, to: u32) { after[base + left + to] = before[base + place]; }

// The first dimension of largest variance.
fn widest_axis(thread: u32, node: u32) -> u32 {
  var widest = 0u;
  var largest = -1.0;
  for (var dimension = 0u; dimension < RANK; dimension++) {
    var sum = 0.0;
    for (var place = thread; place < node; place += THREADS) { sum += value(place, dimension); }
    let mean = sum_of_all(thread, sum) / f32(node);
    var squares = 0.0;
    for (var place = thread; place < node; place += THREADS) {
      let distance = value(place, dimension) - mean;
      squares += distance * distance;
    }
    let variance = sum_of_all(thread, squares);
    if (variance > largest) {
      largest = variance;
      widest = dimension;
    }
  }
  return widest;
}

fn left_of(node: u32) -> u32 {
  if (node <= params.leaf) { return node; }
  return (node / 2u + params.leaf - 1u) / params.leaf * params.leaf;
}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = index_of(workgroup, count);
  let head = index >> params.level;
  if (head >= params.heads) { return; }
  let number = index & ((1u << params.level) - 1u);
  head_base = head * params.tokens;
  if (thread == 0u) { present_here = present[head]; }
  var start = 0u;
  var node = workgroupUniformLoad(&present_here);
  if (number == 0u) {
    for (var at = node + thread; at < params.tokens; at += THREADS) { after[head_base + at] = before[head_base + at]; }
  }
  // From the root down to the node; a leaf on the way is its own left child.
  for (var step = params.level; step > 0u; step--) {
    let half = left_of(node);
    if (((number >> (step - 1u)) & 1u) == 1u) {
      start += half;
      node -= half;
    } else {
      node = half;
    }
  }
  base = head_base + start;
  if (node <= params.leaf) {
    for (var place = thread; place < node; place += THREADS) { take(place, place); }
    return;
  }
  left = left_of(node);
  axis = widest_axis(thread, node);
  part(thread, node, threshold_of(thread, node, left_of(node)));
}
