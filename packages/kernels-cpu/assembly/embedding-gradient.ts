// embedding-gradient: for one table, the sum of the rows that each id stands in. A task owns some of the table's rows and
// looks through all ids for them: ids are few bytes, and the order of a sum is that of the rows, whoever makes it.

/** args: ids, outputGradient, tableGradient, rows, modelDim, tableRows, rows of a task */
export function embeddingGradient(args: usize, task: i32, _scratch: usize): void {
  const ids = <usize>load<u32>(args);
  const rows = load<i32>(args, 12);
  const bytes = (<usize>load<i32>(args, 16)) << 2;
  const taskRows = load<i32>(args, 24);
  const first = task * taskRows;
  const count = min(taskRows, load<i32>(args, 20) - first);
  const table = <usize>load<u32>(args, 8) + (<usize>first) * bytes;
  memory.fill(table, 0, (<usize>count) * bytes);
  for (let row = 0; row < rows; row++) {
    const own = load<i32>(ids + ((<usize>row) << 2)) - first;
    if (<u32>own >= <u32>count) continue;
    const to = table + (<usize>own) * bytes;
    const from = <usize>load<u32>(args, 4) + (<usize>row) * bytes;
    let i: usize = 0;
    for (; i < (bytes & ~15); i += 16) v128.store(to + i, f32x4.add(v128.load(to + i), v128.load(from + i)));
    for (; i < bytes; i += 4) store<f32>(to + i, load<f32>(to + i) + load<f32>(from + i));
  }
}
