// Attention of ROWS queries over keys that come in chunks of CHUNK: what dense-attention and sparse-attention share, where
// online-softmax-blocked.wgsl does not do it: few rows, long heads.
// LANES threads work on a query; scores are spread over them by key, the output by feature. The softmax is online (Milakov
// & Gimelshein 2018, arXiv 1805.02867). Workgroup memory: (ROWS + CHUNK) · headDim elements and (ROWS + 2) · CHUNK + ROWS floats.
//
// The including file loads: it fills `queries` and `tokens` once, then for each chunk `chunk` with keys, `bias` (what is
// added to a logit; ABSENT for a key that is not there) and `visible_from` (the first query, by its number, that sees the
// key), calls `score_chunk`, fills `chunk` with values (zeros where absent) and calls `add_chunk`; at the end it calls
// `finish`.

const HEAD_VECTORS = HEAD_DIM / 4u;
const THREADS = ROWS * LANES;
const OWN_VECTORS = (HEAD_VECTORS + LANES - 1u) / LANES;

// include: softmax-memory

var<workgroup> scores: array<f32, ROWS * CHUNK>;

var<private> maximum: f32 = ABSENT;
var<private> total: f32 = 0.0;
var<private> sums: array<vec4f, OWN_VECTORS>;

// Between the keys of a chunk and its values: every thread is done with the keys when it returns.
fn score_chunk(thread: u32, scale: f32) {
  let row = thread / LANES;
  let lane = thread % LANES;
  workgroupBarrier();
  for (var k = lane; k < CHUNK; k += LANES) {
    var dots = vec4f(0.0);
    for (var v = 0u; v < unknown(HEAD_VECTORS); v++) {
      dots += vec4f(queries[row * HEAD_VECTORS + v]) * vec4f(chunk[k * HEAD_VECTORS + v]);
    }
    let logit = (dots.x + dots.y) + (dots.z + dots.w);
    let seen = bias[k] > ABSENT_BELOW && visible_from[k] <= tokens[row];
    let is_nan = (bitcast<u32>(logit) & 0x7fffffffu) > 0x7f800000u;
    scores[row * CHUNK + k] = select(ABSENT, select(scale * logit + bias[k], POISON, is_nan), seen);
  }
  workgroupBarrier();
  var largest = maximum;
  for (var k = 0u; k < unknown(CHUNK); k++) { largest = max(largest, scores[row * CHUNK + k]); }
  workgroupBarrier();
  for (var k = lane; k < CHUNK; k += LANES) {
    let score = scores[row * CHUNK + k];
    scores[row * CHUNK + k] = select(0.0, exp(min(0.0, score - largest)), score > ABSENT_BELOW);
  }
  let shrink = select(0.0, exp(min(0.0, maximum - largest)), maximum > ABSENT_BELOW);
  maximum = largest;
  total *= shrink;
  for (var own = 0u; own < OWN_VECTORS; own++) { sums[own] *= shrink; }
}

fn add_chunk(thread: u32) {
  let row = thread / LANES;
  let lane = thread % LANES;
  workgroupBarrier();
  for (var k = 0u; k < unknown(CHUNK); k++) {
    let weight = scores[row * CHUNK + k];
    total += weight;
    for (var own = 0u; own < OWN_VECTORS; own++) {
      let v = lane + own * LANES;
      if (v < HEAD_VECTORS) { sums[own] += weight * vec4f(chunk[k * HEAD_VECTORS + v]); }
    }
  }
  workgroupBarrier();
}

// Writes what the thread has of the output: vectors from `output_base` on, logarithms from `lse_base` on.
fn finish(thread: u32, output_base: u32, token_stride: u32, lse_base: u32) {
  let lane = thread % LANES;
  let token = tokens[thread / LANES];
  if (token < 0) { return; }
  let is_nan = maximum > POISON_ABOVE;
  let factor = select(select(0.0, 1.0 / total, total > 0.0), params.nan, is_nan);
  for (var own = 0u; own < OWN_VECTORS; own++) {
    let v = lane + own * LANES;
    if (v < HEAD_VECTORS) { output[output_base + u32(token) * token_stride + v] = element4(sums[own] * factor); }
  }
  if (lane == 0u) {
    let sum = select(params.minus_infinity, maximum + log(total), total > 0.0);
    lse[lse_base + u32(token)] = select(sum, params.nan, is_nan);
  }
}
