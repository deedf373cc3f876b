// The largest of what the COLUMNS threads of four rows hold, for each of the rows: by workgroup memory.

var<workgroup> of_threads: array<vec4f, THREADS>;

fn row_maxima(thread: u32, own: vec4f) -> vec4f {
  of_threads[thread] = own;
  workgroupBarrier();
  var largest = own;
  let first = thread / COLUMNS * COLUMNS;
  for (var other = first; other < first + unknown(COLUMNS); other++) { largest = max(largest, of_threads[other]); }
  return largest;
}
