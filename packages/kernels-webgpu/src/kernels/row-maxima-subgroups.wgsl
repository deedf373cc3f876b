// The largest of what the COLUMNS threads of four rows hold, for each of the rows: by subgroups, which are no smaller.
// Neighbours of a workgroup are taken to be neighbours of a subgroup. WGSL does not say so; implementations lay workgroups of
// one dimension out like that, and the device suite would notice another. Never the default: tuning may choose it.

fn row_maxima(thread: u32, own: vec4f) -> vec4f {
  var largest = own;
  for (var apart = 1u; apart < COLUMNS; apart *= 2u) { largest = max(largest, subgroupShuffleXor(largest, apart)); }
  return largest;
}
