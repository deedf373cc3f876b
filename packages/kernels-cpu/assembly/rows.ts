// Products of one query with rows that lie anywhere, and weighted sums of such rows.

import { madd, sumLanes4 } from './lanes';

/**
 * logits[c] = scale · query · key row c, four rows at a time. Rows are byte offsets from `key`. Logits are written up to a
 * multiple of 4.
 */
export function dotRows(
  query: usize,
  key: usize,
  rows: usize,
  columns: i32,
  headDim: i32,
  scale: f32,
  logits: usize,
): void {
  const bytes = (<usize>headDim) << 2;
  for (let c = 0; c < columns; c += 4) {
    const at = rows + (c << 2);
    // Past the end the last row is read again; its logits are overwritten by the caller.
    const left = columns - c;
    const k0 = key + <usize>load<u32>(at);
    const k1 = left > 1 ? key + <usize>load<u32>(at, 4) : k0;
    const k2 = left > 2 ? key + <usize>load<u32>(at, 8) : k0;
    const k3 = left > 3 ? key + <usize>load<u32>(at, 12) : k0;
    let s0 = f32x4.splat(0);
    let s1 = s0;
    let s2 = s0;
    let s3 = s0;
    for (let i: usize = 0; i < bytes; i += 16) {
      const x = v128.load(query + i);
      s0 = madd(x, v128.load(k0 + i), s0);
      s1 = madd(x, v128.load(k1 + i), s1);
      s2 = madd(x, v128.load(k2 + i), s2);
      s3 = madd(x, v128.load(k3 + i), s3);
    }
    v128.store(logits + (c << 2), f32x4.mul(sumLanes4(s0, s1, s2, s3), f32x4.splat(scale)));
  }
}

/** out[headDim] (+)= Σ_c weights[c] · value row c, 32 features (eight accumulators) at a time. */
export function weightedSum(
  value: usize,
  rows: usize,
  weights: usize,
  columns: i32,
  headDim: i32,
  out: usize,
  accumulate: bool,
): void {
  let i = 0;
  for (; i + 32 <= headDim; i += 32) {
    let s0 = f32x4.splat(0);
    let s1 = s0;
    let s2 = s0;
    let s3 = s0;
    let s4 = s0;
    let s5 = s0;
    let s6 = s0;
    let s7 = s0;
    const o = out + (i << 2);
    if (accumulate) {
      s0 = v128.load(o);
      s1 = v128.load(o, 16);
      s2 = v128.load(o, 32);
      s3 = v128.load(o, 48);
      s4 = v128.load(o, 64);
      s5 = v128.load(o, 80);
      s6 = v128.load(o, 96);
      s7 = v128.load(o, 112);
    }
    const base = value + (i << 2);
    for (let c = 0; c < columns; c++) {
      const row = base + <usize>load<u32>(rows + (c << 2));
      const w = v128.load32_splat(weights + (c << 2));
      s0 = madd(w, v128.load(row), s0);
      s1 = madd(w, v128.load(row, 16), s1);
      s2 = madd(w, v128.load(row, 32), s2);
      s3 = madd(w, v128.load(row, 48), s3);
      s4 = madd(w, v128.load(row, 64), s4);
      s5 = madd(w, v128.load(row, 80), s5);
      s6 = madd(w, v128.load(row, 96), s6);
      s7 = madd(w, v128.load(row, 112), s7);
    }
    v128.store(o, s0);
    v128.store(o, s1, 16);
    v128.store(o, s2, 32);
    v128.store(o, s3, 48);
    v128.store(o, s4, 64);
    v128.store(o, s5, 80);
    v128.store(o, s6, 96);
    v128.store(o, s7, 112);
  }
  for (; i < headDim; i += 4) {
    let s = accumulate ? v128.load(out + (i << 2)) : f32x4.splat(0);
    for (let c = 0; c < columns; c++) {
      const row = value + (i << 2) + <usize>load<u32>(rows + (c << 2));
      s = madd(v128.load32_splat(weights + (c << 2)), v128.load(row), s);
    }
    v128.store(out + (i << 2), s);
  }
}
