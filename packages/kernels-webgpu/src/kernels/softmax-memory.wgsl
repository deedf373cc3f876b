// What both ways of the online softmax have in workgroup memory, and how they write what is no number. The including file
// has declared HEAD_VECTORS.

// A bound that compilers can't know. Mesa's llvmpipe unrolls loops of known length, and then takes 20 s for
// sparse-attention instead of 1.7 s (Mesa 25.0, LLVM 15, 2026-11-25). What unrolling would gain on a GPU is not measured.
fn unknown(bound: u32) -> u32 { return min(bound, params.no_bound); }

const ABSENT = -3.0e38;
const ABSENT_BELOW = -1.0e38;
// Stands for a logit that is not a number: WGSL promises nothing of arithmetic with one. It becomes the maximum, and its
// query's output NaN.
const POISON = 3.0e38;
const POISON_ABOVE = 1.0e38;

var<workgroup> queries: array<element4, ROWS * HEAD_VECTORS>;
var<workgroup> tokens: array<i32, ROWS>; // −1 for a row without a query
var<workgroup> chunk: array<element4, CHUNK * HEAD_VECTORS>; // keys, then values
var<workgroup> bias: array<f32, CHUNK>;
var<workgroup> visible_from: array<i32, CHUNK>;
