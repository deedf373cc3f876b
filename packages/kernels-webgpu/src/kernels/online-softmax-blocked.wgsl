// Attention of ROWS queries over keys that come in chunks of CHUNK, in blocks: a thread makes the scores of 4 queries × 4
// keys, then the output of 4 queries × OWN_VECTORS vectors, so that a vector from workgroup memory serves four products. The
// other way is online-softmax.wgsl, of which this is the namesake: same declarations, same calls, same result but for
// rounding. ROWS and CHUNK are multiples of 4; a workgroup has a thread for each block of scores.
//
// 12 heads, 1024 × 1024 × 64, on llvmpipe and two cores of an EPYC: 702 ms, 659 with subgroups, 2235 by lanes; 12 heads,
// 512 × 512 × 64, on SwiftShader: 863 and, by lanes, 2412. Not measured on a GPU.

const HEAD_VECTORS = HEAD_DIM / 4u;
const COLUMNS = CHUNK / 4u; // blocks of a chunk
const THREADS = ROWS / 4u * COLUMNS;
const OWN_VECTORS = (HEAD_VECTORS + COLUMNS - 1u) / COLUMNS;

// include: softmax-memory

var<workgroup> scores: array<vec4f, ROWS * COLUMNS>; // of the keys column, column + COLUMNS, …

var<private> maxima: vec4f = vec4f(ABSENT); // of the thread's four rows
var<private> totals: vec4f;
var<private> sums: array<mat4x4f, OWN_VECTORS>; // a column of each: a row's vector

// include: row-maxima

fn masked(row: u32, dots: vec4f, keys: vec4u, scale: f32) -> vec4f {
  let biases = vec4f(bias[keys.x], bias[keys.y], bias[keys.z], bias[keys.w]);
  let visible = vec4i(visible_from[keys.x], visible_from[keys.y], visible_from[keys.z], visible_from[keys.w]);
  let is_nan = (bitcast<vec4u>(dots) & vec4u(0x7fffffffu)) > vec4u(0x7f800000u);
  let seen = (biases > vec4f(ABSENT_BELOW)) & (visible <= vec4i(tokens[row]));
  return select(vec4f(ABSENT), select(scale * dots + biases, vec4f(POISON), is_nan), seen);
}

fn weights_of(scores: vec4f, maximum: f32) -> vec4f {
  return select(vec4f(0.0), exp(min(vec4f(0.0), scores - maximum)), scores > vec4f(ABSENT_BELOW));
}

// Between the keys of a chunk and its values: every thread is done with the keys when it returns.
fn score_chunk(thread: u32, scale: f32) {
  let row = thread / COLUMNS * 4u;
  let column = thread % COLUMNS;
  let keys = column + COLUMNS * vec4u(0u, 1u, 2u, 3u);
  workgroupBarrier();
  var block = mat4x4f(); // a column: the scores of a row
  for (var v = 0u; v < unknown(HEAD_VECTORS); v++) {
    let b = mat4x4f(
      vec4f(chunk[keys.x * HEAD_VECTORS + v]),
      vec4f(chunk[keys.y * HEAD_VECTORS + v]),
      vec4f(chunk[keys.z * HEAD_VECTORS + v]),
      vec4f(chunk[keys.w * HEAD_VECTORS + v]),
    );
    block[0] += vec4f(queries[row * HEAD_VECTORS + v]) * b;
    block[1] += vec4f(queries[(row + 1u) * HEAD_VECTORS + v]) * b;
    block[2] += vec4f(queries[(row + 2u) * HEAD_VECTORS + v]) * b;
    block[3] += vec4f(queries[(row + 3u) * HEAD_VECTORS + v]) * b;
  }
  block[0] = masked(row, block[0], keys, scale);
  block[1] = masked(row + 1u, block[1], keys, scale);
  block[2] = masked(row + 2u, block[2], keys, scale);
  block[3] = masked(row + 3u, block[3], keys, scale);
  let across = transpose(block);
  let largest = max(maxima, row_maxima(thread, max(max(across[0], across[1]), max(across[2], across[3]))));
  scores[row * COLUMNS + column] = weights_of(block[0], largest.x);
  scores[(row + 1u) * COLUMNS + column] = weights_of(block[1], largest.y);
  scores[(row + 2u) * COLUMNS + column] = weights_of(block[2], largest.z);
  scores[(row + 3u) * COLUMNS + column] = weights_of(block[3], largest.w);
  shrink_by(select(vec4f(0.0), exp(min(vec4f(0.0), maxima - largest)), maxima > vec4f(ABSENT_BELOW)));
  maxima = largest;
  workgroupBarrier();
}

fn shrink_by(factors: vec4f) {
  totals *= factors;
  for (var own = 0u; own < OWN_VECTORS; own++) {
    sums[own][0] *= factors.x;
    sums[own][1] *= factors.y;
    sums[own][2] *= factors.z;
    sums[own][3] *= factors.w;
  }
}

fn add_chunk(thread: u32) {
  let row = thread / COLUMNS * 4u;
  let column = thread % COLUMNS;
  workgroupBarrier();
  for (var c = 0u; c < unknown(COLUMNS); c++) {
    // A column: the weights of a row.
    let weights = mat4x4f(
      scores[row * COLUMNS + c],
      scores[(row + 1u) * COLUMNS + c],
      scores[(row + 2u) * COLUMNS + c],
      scores[(row + 3u) * COLUMNS + c],
    );
    totals += vec4f(1.0) * weights;
    for (var own = 0u; own < OWN_VECTORS; own++) {
      let v = min(column + own * COLUMNS, HEAD_VECTORS - 1u);
      let values = mat4x4f(
        vec4f(chunk[c * HEAD_VECTORS + v]),
        vec4f(chunk[(c + COLUMNS) * HEAD_VECTORS + v]),
        vec4f(chunk[(c + 2u * COLUMNS) * HEAD_VECTORS + v]),
        vec4f(chunk[(c + 3u * COLUMNS) * HEAD_VECTORS + v]),
      );
      sums[own] += values * weights;
    }
  }
  workgroupBarrier();
}

// Writes what the thread has of the output: vectors from `output_base` on, logarithms from `lse_base` on.
fn finish(thread: u32, output_base: u32, token_stride: u32, lse_base: u32) {
  let row = thread / COLUMNS * 4u;
  let column = thread % COLUMNS;
  for (var i = 0u; i < unknown(4u); i++) {
    let token = tokens[row + i];
    if (token < 0) { continue; }
    let total = totals[i];
    let is_nan = maxima[i] > POISON_ABOVE;
    let factor = select(select(0.0, 1.0 / total, total > 0.0), params.nan, is_nan);
    for (var own = 0u; own < OWN_VECTORS; own++) {
      let v = column + own * COLUMNS;
      if (v < HEAD_VECTORS) { output[output_base + u32(token) * token_stride + v] = element4(sums[own][i] * factor); }
    }
    if (column == 0u) {
      let sum = select(params.minus_infinity, maxima[i] + log(total), total > 0.0);
      lse[lse_base + u32(token)] = select(sum, params.nan, is_nan);
    }
  }
}
