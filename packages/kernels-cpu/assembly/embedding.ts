// embedding: output[row] = word[tokenIds[row]] (+ position[positionIds[row]]) (+ type[typeIds[row]])

const ROWS: i32 = 32;

/**
 * args: output, rows, modelDim, then for word, position and type: ids, table (or 0), rows of the table; a task is 32 rows
 */
export function embedding(args: usize, task: i32, _scratch: usize): void {
  const rows = load<i32>(args, 4);
  const bytes = (<usize>load<i32>(args, 8)) << 2;
  const end = min((task + 1) * ROWS, rows);
  for (let row = task * ROWS; row < end; row++) {
    const out = <usize>load<u32>(args) + (<usize>row) * bytes;
    for (let term = 0; term < 3; term++) {
      const entry = args + 12 + term * 12;
      const table = <usize>load<u32>(entry, 4);
      if (!table) continue;
      const id = load<i32>(<usize>load<u32>(entry) + ((<usize>row) << 2));
      if (<u32>id >= load<u32>(entry, 8)) {
        for (let i: usize = 0; i < bytes; i += 4) store<f32>(out + i, NaN);
        break;
      }
      const from = table + (<usize>id) * bytes;
      if (term == 0) memory.copy(out, from, bytes);
      else addInto(out, from, bytes);
    }
  }
}

function addInto(out: usize, from: usize, bytes: usize): void {
  let i: usize = 0;
  for (; i < (bytes & ~15); i += 16) v128.store(out + i, f32x4.add(v128.load(out + i), v128.load(from + i)));
  for (; i < bytes; i += 4) store<f32>(out + i, load<f32>(out + i) + load<f32>(from + i));
}
