// Reading a selection's list the way every kernel must: entries that name no block are ignored, a repeated one counts once.

/**
 * Writes the list's entries in [0, blocks), ascending and unique, to `out`; returns how many.
 * Gates write ascending lists, which one pass copies; anything else is sorted on the way (insertion: lists are short or
 * nearly sorted).
 */
export function readEntries(list: usize, slots: i32, blocks: i32, out: usize): i32 {
  let count = 0;
  let last = -1;
  for (let slot = 0; slot < slots; slot++) {
    const entry = load<i32>(list + (slot << 2));
    if (<u32>entry >= <u32>blocks) continue;
    if (entry > last) {
      store<i32>(out + (count << 2), entry);
      last = entry;
      count++;
      continue;
    }
    let at = count;
    while (at > 0 && load<i32>(out + ((at - 1) << 2)) > entry) at--;
    if (at > 0 && load<i32>(out + ((at - 1) << 2)) == entry) continue;
    memory.copy(out + ((at + 1) << 2), out + (at << 2), (count - at) << 2);
    store<i32>(out + (at << 2), entry);
    count++;
  }
  return count;
}
