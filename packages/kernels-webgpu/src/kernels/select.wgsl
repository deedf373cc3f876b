// The `wanted` best of many candidates, in ascending order: what select-top-k and select-slots share. The key of the worst
// one that is taken is found by radix selection, 8 bits at a time (Alabi et al. 2012), over keys that order as their scores
// do. Nothing but counts is added up by several threads, so that the result is the same each time.
//
// The including file declares `fn key_of(candidate: u32) -> u32`: 0 for one that may not be taken, otherwise at least 1,
// the larger the better; `fn take(candidate: u32, place: u32)`, called once for each that is taken, and `fn leave(…)` for
// each that is not, both counted from 0.

const THREADS = 64u;
const BINS = 256u;
const BINS_OF_THREAD = BINS / THREADS;

var<workgroup> histogram: array<atomic<u32>, BINS>;
var<workgroup> bin_sums: array<u32, THREADS>;
var<workgroup> found_bin: u32;
var<workgroup> still_wanted: u32;

struct Threshold {
  key: u32, // candidates above it are taken, …
  equal: u32, // … and the first so many that equal it
}

// The key that orders as a score does; never 0, and never as large as `FORCED`.
const FORCED = 0xffffffffu;
fn ordered_key(score: f32) -> u32 {
  let bits = bitcast<u32>(select(score, 0.0, score == 0.0));
  return select(bits | 0x80000000u, ~bits, bits >= 0x80000000u);
}

fn threshold_of(thread: u32, candidates: u32, wanted: u32) -> Threshold {
  var prefix = 0u;
  var remaining = wanted;
  for (var level = 0u; level < 4u; level++) {
    let shift = 24u - 8u * level;
    for (var i = 0u; i < BINS_OF_THREAD; i++) { atomicStore(&histogram[thread * BINS_OF_THREAD + i], 0u); }
    if (thread == 0u) {
      found_bin = BINS;
      still_wanted = 0u;
    }
    workgroupBarrier();
    for (var candidate = thread; candidate < candidates; candidate += THREADS) {
      let key = key_of(candidate);
      if (key == 0u) { continue; }
      if (level > 0u && (key >> (shift + 8u)) != prefix) { continue; }
      atomicAdd(&histogram[(key >> shift) & 255u], 1u);
    }
    workgroupBarrier();
    var own = 0u;
    for (var i = 0u; i < BINS_OF_THREAD; i++) { own += atomicLoad(&histogram[thread * BINS_OF_THREAD + i]); }
    bin_sums[thread] = own;
    workgroupBarrier();
    var above = 0u;
    for (var other = thread + 1u; other < THREADS; other++) { above += bin_sums[other]; }
    // In one thread's bins, at most, the count from above reaches what is wanted.
    if (above < remaining && above + own >= remaining) {
      for (var i = BINS_OF_THREAD; i > 0u; i--) {
        let bin = thread * BINS_OF_THREAD + i - 1u;
        let here = atomicLoad(&histogram[bin]);
        if (above + here >= remaining) {
          found_bin = bin;
          still_wanted = remaining - above;
          break;
        }
        above += here;
      }
    }
    let bin = workgroupUniformLoad(&found_bin);
    // There are no more candidates than wanted: all are taken.
    if (bin == BINS) { return Threshold(0u, 0u); }
    remaining = workgroupUniformLoad(&still_wanted);
    prefix = (prefix << 8u) | bin;
  }
  return Threshold(prefix, remaining);
}

// Calls `take` or `leave` for each candidate, places in ascending order; returns how many were taken.
fn part(thread: u32, candidates: u32, threshold: Threshold) -> u32 {
  var taken = 0u;
  var equals = 0u;
  for (var start = 0u; start < candidates; start += THREADS) {
    let candidate = start + thread;
    var key = 0u;
    if (candidate < candidates) { key = key_of(candidate); }
    let above = key > threshold.key;
    let equal = key == threshold.key && key > 0u;
    workgroupBarrier();
    bin_sums[thread] = select(0u, 1u, above) | select(0u, 0x10000u, equal);
    workgroupBarrier();
    var before = 0u;
    var all = 0u;
    for (var other = 0u; other < THREADS; other++) {
      if (other == thread) { before = all; }
      all += bin_sums[other];
    }
    let equals_before = equals + (before >> 16u);
    let equals_taken = min(equals_before, threshold.equal) - min(equals, threshold.equal);
    let place = taken + (before & 0xffffu) + equals_taken;
    if (above || (equal && equals_before < threshold.equal)) {
      take(candidate, place);
    } else if (candidate < candidates) {
      leave(candidate, candidate - place);
    }
    taken += (all & 0xffffu) + min(equals + (all >> 16u), threshold.equal) - min(equals, threshold.equal);
    equals += all >> 16u;
  }
  return taken;
}
