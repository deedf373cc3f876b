// Finding the k smallest of n without sorting: the k-th value by bisection over the key's bits, counting four at a time.
//
// There is no branch on data but the bisection's own, so nothing is mispredicted, and what is kept stays in the order it
// came in. Against quickselect and a sort of the indices (Zen 3, best 64 of 512): 4 times faster.

/** f32 as an i32 of the same order. */
// @ts-ignore: decorator
@inline
export function orderedKey(value: f32): i32 {
  const bits = reinterpret<i32>(value);
  return bits ^ ((bits >> 31) & 0x7fffffff);
}

/** The f32 of an ordered key. */
// @ts-ignore: decorator
@inline
export function orderedValue(key: i32): f32 {
  return reinterpret<f32>(key ^ ((key >> 31) & 0x7fffffff));
}

/**
 * A bound that exactly `k` of the `count` keys do not exceed, or, where equal keys leave no such bound, the k-th smallest
 * key. 1 ≤ k ≤ count; up to three words after the keys are overwritten.
 */
export function kthSmallest(keys: usize, count: i32, k: i32): i32 {
  const end = keys + ((<usize>count) << 2);
  const whole = keys + ((<usize>((count + 3) & ~3)) << 2);
  const first = load<i32>(keys);
  for (let pad = end; pad < whole; pad += 4) store<i32>(pad, first);
  let lows = i32x4.splat(first);
  let highs = lows;
  for (let key = keys; key < whole; key += 16) {
    lows = i32x4.min_s(lows, v128.load(key));
    highs = i32x4.max_s(highs, v128.load(key));
  }
  let low = min(
    min(i32x4.extract_lane(lows, 0), i32x4.extract_lane(lows, 1)),
    min(i32x4.extract_lane(lows, 2), i32x4.extract_lane(lows, 3)),
  );
  let high = max(
    max(i32x4.extract_lane(highs, 0), i32x4.extract_lane(highs, 1)),
    max(i32x4.extract_lane(highs, 2), i32x4.extract_lane(highs, 3)),
  );
  // Above every bound that is tried: never counted.
  for (let pad = end; pad < whole; pad += 4) store<i32>(pad, i32.MAX_VALUE);
  while (low < high) {
    const middle = low + <i32>((<u32>high - <u32>low) >> 1);
    const bound = i32x4.splat(middle);
    let counts = i32x4.splat(0);
    for (let key = keys; key < whole; key += 16) counts = i32x4.sub(counts, i32x4.le_s(v128.load(key), bound));
    const below =
      i32x4.extract_lane(counts, 0) +
      i32x4.extract_lane(counts, 1) +
      i32x4.extract_lane(counts, 2) +
      i32x4.extract_lane(counts, 3);
    if (below == k) return middle;
    if (below < k) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** How many of the keys are less than `bound`. */
export function countBelow(keys: usize, count: i32, bound: i32): i32 {
  let below = 0;
  const end = keys + ((<usize>count) << 2);
  for (let key = keys; key < end; key += 4) below += i32(load<i32>(key) < bound);
  return below;
}

/**
 * Keeps the k smallest keys and their numbers, in the order they are in; equal keys: the first ones. Returns the bound
 * that a further key must be less than to be among the k smallest.
 */
export function keepSmallest(keys: usize, numbers: usize, count: i32, k: i32): i32 {
  const bound = kthSmallest(keys, count, k);
  let ties = k - countBelow(keys, count, bound);
  let kept: usize = 0;
  for (let i: usize = 0; i < (<usize>count) << 2; i += 4) {
    const key = load<i32>(keys + i);
    const tie = i32(key == bound) & i32(ties > 0);
    ties -= tie;
    store<i32>(keys + kept, key);
    store<i32>(numbers + kept, load<i32>(numbers + i));
    kept += <usize>((i32(key < bound) | tie) << 2);
  }
  return bound;
}

// Candidates are two arrays: keys (negated scores, so that smaller is better) and numbers, each with room for `capacity`.

// @ts-ignore: decorator
@inline
function capacity(wanted: i32): i32 {
  return 4 * wanted + 60;
}

// @ts-ignore: decorator
@inline
export function candidateBytes(wanted: i32): usize {
  return (<usize>(capacity(wanted) + 4)) << 3;
}

// @ts-ignore: decorator
@inline
export function numbersOf(candidates: usize, wanted: i32): usize {
  return candidates + (candidateBytes(wanted) >> 1);
}

/**
 * Takes the `wanted` largest of `count` scores, in the order they are in; of equal ones the first. NaN and −∞ are never
 * taken. Returns how many were.
 *
 * First a bound that is sure to leave enough: of the maxima of 2·wanted classes (every so many-th score), the wanted-th
 * largest is no larger than the wanted-th largest of all. Hardly more than what is wanted passes it, and only that is
 * looked at singly. Against taking candidates one by one and raising the bound whenever twice what is wanted had come, a
 * whole select-top-k took half the time (Zen 3, 12 heads, two threads): the best 4 of 2048 blocks for 2048 tiles, 72 ms
 * then and 29 now; the best 64 of 512 chosen keys for 8192 queries, 408 and 213.
 *
 * @param scores f32, with room for a multiple of 16: what lies there past the end is overwritten
 * @param numbers i32, the scores' numbers, or 0: 0, 1, 2, …
 * @param candidates candidateBytes(wanted); the numbers of what was taken are found at numbersOf
 */
export function takeLargest(scores: usize, numbers: usize, count: i32, wanted: i32, candidates: usize): i32 {
  if (wanted == 0 || count <= 0) return 0;
  const end = scores + ((<usize>count) << 2);
  const whole = scores + ((<usize>((count + 15) & ~15)) << 2);
  for (let pad = end; pad < whole; pad += 4) store<f32>(pad, -Infinity);
  const takenNumbers = numbersOf(candidates, wanted);
  const room = capacity(wanted);
  // The lowest number there is: −∞ does not reach it.
  let bound = max(leastOfLargest(scores, whole, count, wanted, candidates), -f32.MAX_VALUE);
  let bounds = f32x4.splat(bound);
  let found = 0;
  for (let row = scores; row < whole; row += 64) {
    const low = i16x8.narrow_i32x4_s(f32x4.ge(v128.load(row), bounds), f32x4.ge(v128.load(row, 16), bounds));
    const high = i16x8.narrow_i32x4_s(f32x4.ge(v128.load(row, 32), bounds), f32x4.ge(v128.load(row, 48), bounds));
    /** A bit for each of 16 scores. */
    let passing = i8x16.bitmask(i8x16.narrow_i16x8_s(low, high));
    if (!passing) continue;
    if (found + 16 > room) {
      // Too many equals. What comes later must be larger than the worst of the best so far.
      const worst = keepSmallest(candidates, takenNumbers, found, wanted);
      found = wanted;
      bound = max(orderedValue(~(worst - 1)), -f32.MAX_VALUE);
      bounds = f32x4.splat(bound);
    }
    for (; passing; passing &= passing - 1) {
      const cell = row + ((<usize>ctz(passing)) << 2);
      const score = load<f32>(cell);
      if (score < bound) continue;
      const at = (<usize>found) << 2;
      store<i32>(candidates + at, ~orderedKey(score));
      store<i32>(takenNumbers + at, numbers ? load<i32>(numbers + (cell - scores)) : <i32>((cell - scores) >> 2));
      found++;
    }
  }
  if (found <= wanted) return found;
  keepSmallest(candidates, takenNumbers, found, wanted);
  return wanted;
}

/** A bound that at least `wanted` of the scores reach, if so many are numbers; −∞ where looking for one would not pay. */
function leastOfLargest(scores: usize, whole: usize, count: i32, wanted: i32, maxima: usize): f32 {
  const classes = (max(2 * wanted, 16) + 15) & ~15;
  if (count < 2 * classes) return -Infinity;
  const stride = (<usize>classes) << 2;
  for (let i: usize = 0; i < stride; i += 64) {
    // pmax(a, b) keeps a where b is NaN.
    let m0 = f32x4.splat(-Infinity);
    let m1 = m0;
    let m2 = m0;
    let m3 = m0;
    for (let row = scores + i; row < whole; row += stride) {
      m0 = f32x4.pmax(m0, v128.load(row));
      m1 = f32x4.pmax(m1, v128.load(row, 16));
      m2 = f32x4.pmax(m2, v128.load(row, 32));
      m3 = f32x4.pmax(m3, v128.load(row, 48));
    }
    v128.store(maxima + i, negatedKeys(m0));
    v128.store(maxima + i, negatedKeys(m1), 16);
    v128.store(maxima + i, negatedKeys(m2), 32);
    v128.store(maxima + i, negatedKeys(m3), 48);
  }
  return orderedValue(~kthSmallest(maxima, classes, wanted));
}

/** ~orderedKey of four f32. */
// @ts-ignore: decorator
@inline
function negatedKeys(values: v128): v128 {
  return v128.not(v128.xor(values, v128.and(i32x4.shr_s(values, 31), i32x4.splat(0x7fffffff))));
}
