// Sums of each residual group over its keys, in the form of their rows: Σ key, Σ value, (keys that are present, …).

struct Params {
  heads: u32, // of all texts
  keys: u32,
  groups: u32,
  group: u32, // keys of a group
  width: u32, // vectors of a row
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> rows: array<element4>; // [heads, keys, width]
@group(0) @binding(2) var<storage, read_write> groups: array<vec4f>; // [heads, groups, width]

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = index_of(workgroup, count) * 64u + thread;
  if (index >= params.heads * params.groups * params.width) { return; }
  let part = index % params.width;
  let group = index / params.width % params.groups;
  let head = index / params.width / params.groups;
  let end = min((group + 1u) * params.group, params.keys);
  var sum = vec4f(0.0);
  for (var position = group * params.group; position < end; position++) {
    sum += vec4f(rows[(head * params.keys + position) * params.width + part]);
  }
  groups[index] = sum;
}
