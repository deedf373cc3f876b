// The sum of what all THREADS threads of a workgroup hold, in the same order every time. The including file declares THREADS.

var<workgroup> partial: array<f32, THREADS>;

fn sum_of_all(thread: u32, own: f32) -> f32 {
  workgroupBarrier();
  partial[thread] = own;
  for (var half = THREADS / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (thread < half) { partial[thread] += partial[thread + half]; }
  }
  workgroupBarrier();
  return partial[0];
}
