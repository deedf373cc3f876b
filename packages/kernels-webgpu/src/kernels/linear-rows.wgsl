// The body that linear-direct and linear-split share: `sums` of ROWS rows from `first_row` on and of four `features`, over
// the vectors START, START + STEP, … of the inner dimension. Rows and features beyond the last are computed as the last, and
// not to be stored. Text, not a function: as one, linear-direct was 15 to 40 % slower on llvmpipe (Mesa 25.0.7).
  let depths = params.in_features / 4u;
  var bases: array<u32, ROWS>;
  for (var i = 0u; i < ROWS; i++) { bases[i] = min(first_row + i, params.rows - 1u) * depths; }
  let weight_bases = min(features, vec4u(params.out_features - 1u)) * depths;

  var sums: array<vec4f, ROWS>;
  for (var depth = start; depth < depths; depth += STEP) {
    let b = mat4x4f(
      vec4f(weight[weight_bases.x + depth]),
      vec4f(weight[weight_bases.y + depth]),
      vec4f(weight[weight_bases.z + depth]),
      vec4f(weight[weight_bases.w + depth]),
    );
    // Written out: SwiftShader keeps an array in memory when its index varies, at half the speed.
    sums[0] += vec4f(input[bases[0] + depth]) * b;
    sums[1] += vec4f(input[bases[1] + depth]) * b;
    sums[2] += vec4f(input[bases[2] + depth]) * b;
    sums[3] += vec4f(input[bases[3] + depth]) * b;
    sums[4] += vec4f(input[bases[4] + depth]) * b;
    sums[5] += vec4f(input[bases[5] + depth]) * b;
    sums[6] += vec4f(input[bases[6] + depth]) * b;
    sums[7] += vec4f(input[bases[7] + depth]) * b;
  }
