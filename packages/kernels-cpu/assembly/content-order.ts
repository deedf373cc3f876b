// content-order: the leaves of a balanced kd-tree over each head's gate-space points, from left to right. A task a head.
//
// A node is split at a bound found by bisection, and its tokens are dealt left and right in the order they are in, so they
// stay ascending in every node and nothing is ever sorted.

import { countBelow, kthSmallest, orderedKey } from './order-statistics';

/**
 * args: points, mask (or 0), order, heads, tokens, rank (× 4), leaf
 * scratch, bytes: 4·tokens + 16 keys, 4·tokens the right half, 8·64 pending nodes, 8·rank moments
 */
export function contentOrder(args: usize, task: i32, scratch: usize): void {
  const mask = <usize>load<u32>(args, 4);
  const heads = load<i32>(args, 12);
  const tokens = load<i32>(args, 16);
  const rank = load<i32>(args, 20);
  const leaf = load<i32>(args, 24);
  const points = <usize>load<u32>(args) + (<usize>task) * tokens * (rank << 2);
  const order = <usize>load<u32>(args, 8) + (((<usize>task) * tokens) << 2);
  const keys = scratch;
  const right = keys + ((<usize>tokens) << 2) + 16;
  const pending = right + ((<usize>tokens) << 2);
  const moments = pending + 512;

  let present = 0;
  if (mask) {
    const row = mask + (<usize>(task / heads)) * tokens;
    for (let t = 0; t < tokens; t++) {
      if (load<u8>(row + t)) store<i32>(order + ((<usize>(present++)) << 2), t);
    }
    let last = present;
    for (let t = 0; t < tokens; t++) {
      if (!load<u8>(row + t)) store<i32>(order + ((<usize>(last++)) << 2), t);
    }
  } else {
    for (; present < tokens; present++) store<i32>(order + ((<usize>present) << 2), present);
  }

  // Depth first: halves shrink by two, so at most 32 nodes wait.
  let waiting = 1;
  store<i32>(pending, 0);
  store<i32>(pending, present, 4);
  while (waiting > 0) {
    waiting--;
    const from = load<i32>(pending + (waiting << 3));
    const to = load<i32>(pending + (waiting << 3), 4);
    const count = to - from;
    const tokensHere = order + ((<usize>from) << 2);
    if (count <= leaf) continue;
    const dimension = widest(points, rank, tokensHere, count, moments);
    const column = points + ((<usize>dimension) << 2);
    for (let i: usize = 0; i < (<usize>count) << 2; i += 4) {
      const token = <usize>load<i32>(tokensHere + i);
      store<i32>(keys + i, orderedKey(load<f32>(column + token * (rank << 2))));
    }
    const half = min(((count / 2 + leaf - 1) / leaf) * leaf, count - 1);
    deal(tokensHere, keys, right, count, half);
    store<i32>(pending + (waiting << 3), from + half);
    store<i32>(pending + (waiting << 3), to, 4);
    waiting++;
    store<i32>(pending + (waiting << 3), from);
    store<i32>(pending + (waiting << 3), from + half, 4);
    waiting++;
  }
}

/** Moves the tokens of the `half` smallest keys (of equal ones the first) to the front, both halves in their old order. */
function deal(tokens: usize, keys: usize, right: usize, count: i32, half: i32): void {
  const bound = kthSmallest(keys, count, half);
  let ties = half - countBelow(keys, count, bound);
  let left: usize = 0;
  let others: usize = 0;
  for (let i: usize = 0; i < (<usize>count) << 2; i += 4) {
    const key = load<i32>(keys + i);
    const token = load<i32>(tokens + i);
    const tie = i32(key == bound) & i32(ties > 0);
    ties -= tie;
    const goesLeft = i32(key < bound) | tie;
    // Both are written, one counts.
    store<i32>(tokens + left, token);
    store<i32>(right + others, token);
    left += <usize>(goesLeft << 2);
    others += <usize>((goesLeft ^ 1) << 2);
  }
  memory.copy(tokens + left, right, others);
}

/** Dimension of the largest variance, the first of equals. Moments are taken about the first point, against cancellation. */
function widest(points: usize, rank: i32, tokens: usize, count: i32, moments: usize): i32 {
  const bytes = (<usize>rank) << 2;
  memory.fill(moments, 0, 2 * bytes);
  const origin = points + (<usize>load<i32>(tokens)) * bytes;
  for (let i: usize = 0; i < bytes; i += 16) {
    const o = v128.load(origin + i);
    let sum = f32x4.splat(0);
    let square = f32x4.splat(0);
    for (let t = 0; t < count; t++) {
      const x = f32x4.sub(v128.load(points + (<usize>load<i32>(tokens + ((<usize>t) << 2))) * bytes + i), o);
      sum = f32x4.add(sum, x);
      square = f32x4.add(square, f32x4.mul(x, x));
    }
    const mean = f32x4.div(sum, f32x4.splat(<f32>count));
    v128.store(moments + i, f32x4.sub(square, f32x4.mul(mean, sum)));
  }
  let best = 0;
  for (let d = 1; d < rank; d++) {
    if (load<f32>(moments + (d << 2)) > load<f32>(moments + (best << 2))) best = d;
  }
  return best;
}
