// select-slots: the tokens that fit each slot best, then for each query the tokens of its best slot.

import { keepSmallest, orderedKey } from './order-statistics';

/**
 * Fills the members [batch, heads, slotCount, slots] of each slot; a task a slot of a head.
 * args: scores [batch, tokens, heads, slotCount], mask (or 0), members, indices, heads, tokens, slotCount, slots
 * scratch, bytes: 8·tokens + 32: keys and numbers
 */
export function slotMembers(args: usize, task: i32, scratch: usize): void {
  const mask = <usize>load<u32>(args, 4);
  const heads = load<i32>(args, 16);
  const tokens = load<i32>(args, 20);
  const slotCount = load<i32>(args, 24);
  const slots = load<i32>(args, 28);
  const batch = task / (heads * slotCount);
  const column = task % (heads * slotCount);
  const members = <usize>load<u32>(args, 8) + (((<usize>task) * slots) << 2);
  const keys = scratch;
  const numbers = keys + ((<usize>tokens) << 2) + 16;
  let count = 0;
  for (let token = 0; token < tokens; token++) {
    const row = (<usize>batch) * tokens + token;
    if (mask && !load<u8>(mask + row)) continue;
    const score = load<f32>(<usize>load<u32>(args) + ((row * heads * slotCount + column) << 2));
    store<i32>(keys + ((<usize>count) << 2), ~orderedKey(score));
    store<i32>(numbers + ((<usize>count) << 2), token);
    count++;
  }
  const kept = min(count, slots);
  if (count > slots && slots > 0) keepSmallest(keys, numbers, count, slots);
  memory.copy(members, numbers, (<usize>kept) << 2);
  memory.fill(members + ((<usize>kept) << 2), 0xff, (<usize>(slots - kept)) << 2);
}

const QUERIES: i32 = 64;

/** Copies to each query the members of its best slot; same args, a task is 64 queries of a head. */
export function slotLists(args: usize, task: i32, _scratch: usize): void {
  const heads = load<i32>(args, 16);
  const tokens = load<i32>(args, 20);
  const slotCount = load<i32>(args, 24);
  const bytes = (<usize>load<i32>(args, 28)) << 2;
  const chunks = (tokens + QUERIES - 1) / QUERIES;
  const batchHead = task / chunks;
  const batch = batchHead / heads;
  const head = batchHead % heads;
  const start = (task % chunks) * QUERIES;
  for (let query = start; query < min(start + QUERIES, tokens); query++) {
    const scores =
      <usize>load<u32>(args) + (((((<usize>batch) * tokens + query) * heads + head) * slotCount) << 2);
    let best = 0;
    for (let s = 1; s < slotCount; s++) {
      if (load<f32>(scores + (s << 2)) > load<f32>(scores + (best << 2))) best = s;
    }
    const members = <usize>load<u32>(args, 8) + ((<usize>batchHead) * slotCount + best) * bytes;
    memory.copy(<usize>load<u32>(args, 12) + ((<usize>batchHead) * tokens + query) * bytes, members, bytes);
  }
}
