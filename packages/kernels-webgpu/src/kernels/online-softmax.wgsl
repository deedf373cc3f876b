// Attention of ROWS queries over keys that come in chunks of CHUNK: what dense-attention and sparse-attention share.
// LANES threads work on a query; scores are spread over them by key, the output by feature. The softmax is online (Milakov
// & Gimelshein 2018, arXiv 1805.02867). Workgroup memory: (ROWS + CHUNK) · headDim elements
// and (ROWS + 2) · CHUNK floats.
//
// The including file loads: it fills `queries` once, then for each chunk `chunk_keys`' rows, `bias` (what is added to a
// logit; ABSENT for a key that is not there) and `visible_from` (the first query, by its number, that sees the key), calls
// `score_chunk`, fills `chunk` with values (zeros where absent) and calls `add_chunk`.

// A bound that compilers can't know. Mesa's llvmpipe unrolls loops of known length, and then takes 20 s for
// sparse-attention instead of 1.7 s (Mesa 25.0, LLVM 15, 2026-11-25). What unrolling would gain on a GPU is not measured.
fn unknown(bound: u32) -> u32 { return min(bound, params.no_bound); }

const HEAD_VECTORS = HEAD_DIM / 4u;
const THREADS = ROWS * LANES;
const OWN_VECTORS = (HEAD_VECTORS + LANES - 1u) / LANES;
const ABSENT = -3.0e38;
const ABSENT_BELOW = -1.0e38;
// Stands for a logit that is not a number: WGSL promises nothing of arithmetic with one. It becomes the maximum, and its
// query's output NaN.
const POISON = 3.0e38;
const POISON_ABOVE = 1.0e38;

var<workgroup> queries: array<element4, ROWS * HEAD_VECTORS>;
var<workgroup> chunk: array<element4, CHUNK * HEAD_VECTORS>; // keys, then values
var<workgroup> bias: array<f32, CHUNK>;
var<workgroup> visible_from: array<i32, CHUNK>;
var<workgroup> scores: array<f32, ROWS * CHUNK>;

var<private> maximum: f32 = ABSENT;
var<private> total: f32 = 0.0;
var<private> sums: array<vec4f, OWN_VECTORS>;

// Between the keys of a chunk and its values: every thread is done with the keys when it returns.
fn score_chunk(thread: u32, query_number: i32, scale: f32) {
  let row = thread / LANES;
  let lane = thread % LANES;
  workgroupBarrier();
  for (var k = lane; k < CHUNK; k += LANES) {
    var dots = vec4f(0.0);
    for (var v = 0u; v < unknown(HEAD_VECTORS); v++) {
      dots += vec4f(queries[row * HEAD_VECTORS + v]) * vec4f(chunk[k * HEAD_VECTORS + v]);
    }
    let logit = (dots.x + dots.y) + (dots.z + dots.w);
    let seen = bias[k] > ABSENT_BELOW && visible_from[k] <= query_number;
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

// What the accumulated output is to be multiplied with.
fn output_factor(nan: f32) -> f32 {
  if (maximum > POISON_ABOVE) { return nan; }
  return select(0.0, 1.0 / total, total > 0.0);
}

fn log_sum_exp(nan: f32, minus_infinity: f32) -> f32 {
  if (maximum > POISON_ABOVE) { return nan; }
  return select(minus_infinity, maximum + log(total), total > 0.0);
}
