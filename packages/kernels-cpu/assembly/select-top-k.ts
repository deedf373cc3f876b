// select-top-k: scores of query tiles against key blocks in gate space, and the best of each tile's.
//
// featureBlocks first turns keys into mean features of blocks (and of coarse groups), packed [n / 8][rank][8] for the
// matrix tile; selectTopK then scores four tiles at a time. Nothing queries × keys is kept: a task holds the scores of
// four tiles.

import { madd } from './lanes';
import { tile4x8 } from './micro';
import { candidateBytes, numbersOf, takeLargest } from './order-statistics';

/**
 * Mean features of blocks of `block` positions; a task 8 blocks of a head.
 * args: points [bh, tokens, rank], order (or 0), mask (or 0), features [bh][⌈blocks/8⌉][rank][8], present u8 [bh][blocks8],
 * heads, tokens, rank, block, blocks
 * scratch: rank f32, rounded up to a multiple of 4
 */
export function featureBlocks(args: usize, task: i32, scratch: usize): void {
  const order = <usize>load<u32>(args, 4);
  const mask = <usize>load<u32>(args, 8);
  const heads = load<i32>(args, 20);
  const tokens = load<i32>(args, 24);
  const rank = load<i32>(args, 28);
  const block = load<i32>(args, 32);
  const panels = (load<i32>(args, 36) + 7) >> 3;
  const batchHead = task / panels;
  const points = <usize>load<u32>(args) + (<usize>batchHead) * tokens * (rank << 2);
  const orderHere = order ? order + (((<usize>batchHead) * tokens) << 2) : 0;
  const maskHere = mask ? mask + (<usize>(batchHead / heads)) * tokens : 0;
  const features = <usize>load<u32>(args, 12) + (<usize>task) * (rank << 5);
  const present = <usize>load<u32>(args, 16) + ((<usize>task) << 3);
  for (let lane = 0; lane < 8; lane++) {
    const start = ((task % panels) * 8 + lane) * block;
    const count = meanPoint(points, orderHere, maskHere, start, min(start + block, tokens), rank, scratch);
    store<u8>(present + lane, count > 0 ? 1 : 0);
    for (let d = 0, to = features + (lane << 2); d < rank; d++, to += 32) store<f32>(to, load<f32>(scratch + (d << 2)));
  }
}

/**
 * Mean of the present points at positions [start, end) of the order, zeros where there is none; returns how many there are.
 *
 * @param order i32 of this head, or 0; @param mask u8 of this text, or 0
 * @param out f32, rank rounded up to a multiple of 4
 */
function meanPoint(points: usize, order: usize, mask: usize, start: i32, end: i32, rank: i32, out: usize): i32 {
  const bytes = (<usize>rank) << 2;
  let count = 0;
  for (let i: usize = 0; i < bytes; i += 16) v128.store(out + i, f32x4.splat(0));
  for (let position = start; position < end; position++) {
    const token = order ? load<i32>(order + ((<usize>position) << 2)) : position;
    if (mask && !load<u8>(mask + token)) continue;
    count++;
    const point = points + (<usize>token) * bytes;
    // Reads beyond the last of an odd rank; what is added there counts for nothing.
    for (let i: usize = 0; i < bytes; i += 16) v128.store(out + i, f32x4.add(v128.load(out + i), v128.load(point + i)));
  }
  if (count > 1) {
    const divisor = f32x4.splat(<f32>count);
    for (let i: usize = 0; i < bytes; i += 16) v128.store(out + i, f32x4.div(v128.load(out + i), divisor));
  }
  return count;
}

/**
 * A task is 16 tiles of a head.
 * args: query points, queryOrder, queryMask, block features, block present, coarse features, coarse present (or 0),
 * relativeBias (or 0), indices, heads, queries, keys, rank, tileQueries, blockKeys, blocks, slots, causal, forceFirst,
 * forceDiagonal, biasSpan, coarseBlocks, coarseCount, coarseSlots, headSlots (or 0)
 * With blocks and groups rounded up to multiples of 16, scratch, bytes: 16·rank tiles, 4·(rank + 3) a mean,
 * 16·max(blocks, groups) scores, with two levels 12·blocks (fine scores, and those of chosen groups with their numbers),
 * candidates of blocks and of groups, each candidateBytes
 */
export function selectTopK(args: usize, task: i32, scratch: usize): void {
  const queries = load<i32>(args, 40);
  const keys = load<i32>(args, 44);
  const rank = load<i32>(args, 48);
  const tileQueries = load<i32>(args, 52);
  const blockKeys = load<i32>(args, 56);
  const blocks = load<i32>(args, 60);
  const slots = load<i32>(args, 64);
  const causal = load<i32>(args, 68);
  const coarseBlocks = load<i32>(args, 84);
  const coarseCount = load<i32>(args, 88);
  const coarseSlots = load<i32>(args, 92);
  const headSlots = <usize>load<u32>(args, 96);
  const tiles = (queries + tileQueries - 1) / tileQueries;
  const chunks = (tiles + 15) >> 4;
  const batchHead = task / chunks;
  const first = (task % chunks) << 4;
  const last = min(first + 16, tiles);
  const blockPanels = (blocks + 7) >> 3;
  const coarsePanels = (coarseCount + 7) >> 3;
  const panelBytes = (<usize>rank) << 5;
  const features = <usize>load<u32>(args, 12) + (<usize>batchHead) * blockPanels * panelBytes;
  const present = <usize>load<u32>(args, 16) + (((<usize>batchHead) * blockPanels) << 3);
  const coarse = <usize>load<u32>(args, 20) + (<usize>batchHead) * coarsePanels * panelBytes;
  const coarsePresent = <usize>load<u32>(args, 24) + (((<usize>batchHead) * coarsePanels) << 3);
  const indices = <usize>load<u32>(args, 32) + (((<usize>batchHead) * tiles * slots) << 2);

  const scored = coarseBlocks ? coarseCount : blocks;
  const rowBytes = (<usize>((scored + 15) & ~15)) << 2;
  const fineBytes = (<usize>(coarseBlocks ? (blocks + 15) & ~15 : 0)) << 2;
  const wanted = headSlots ? max(1, load<i32>(headSlots + ((<usize>(batchHead % load<i32>(args, 36))) << 2))) : slots;
  const kept = min(min(wanted, slots), blocks);
  const keptGroups = min(coarseSlots, coarseCount);
  const tileFeatures = scratch;
  const mean = tileFeatures + ((<usize>rank) << 4);
  const scores = mean + ((<usize>((rank + 3) & ~3)) << 2);
  const fineScores = scores + 4 * rowBytes;
  const chosenScores = fineScores + fineBytes;
  const chosenNumbers = chosenScores + fineBytes;
  const candidates = chosenNumbers + fineBytes;
  const groupCandidates = candidates + candidateBytes(kept);

  for (let tile = first; tile < last; tile += 4) {
    const count = min(4, last - tile);
    meanTiles(args, batchHead, tile, count, tileFeatures, mean);
    // One level: the blocks' scores of four tiles at once. Two levels: the groups'; which blocks follow differs by tile.
    let panel = coarseBlocks ? coarse : features;
    for (let column = 0; column < scored; column += 8, panel += panelBytes) {
      tile4x8(tileFeatures, 16, panel, rank, scores + ((<usize>column) << 2), rowBytes, false);
    }
    for (let lane = 0; lane < count; lane++) {
      const number = tile + lane;
      const lastQuery = min((number + 1) * tileQueries, queries) - 1;
      // Under the causal mask a block is visible when its first key is; a tile before the first key sees none.
      const lastKey = lastQuery + keys - queries;
      const visible = causal ? (lastKey < 0 ? 0 : min(blocks, lastKey / blockKeys + 1)) : blocks;
      const row = scores + (<usize>lane) * rowBytes;
      const list = indices + (((<usize>number) * slots) << 2);
      if (!coarseBlocks) {
        adjust(args, batchHead, number, present, row, 0, visible);
        const found = takeLargest(row, 0, visible, kept, candidates);
        writeList(candidates, kept, found, slots, list);
        continue;
      }
      const visibleGroups = (visible + coarseBlocks - 1) / coarseBlocks;
      hideAbsent(args, coarsePresent, row, 0, visibleGroups);
      const groups = takeLargest(row, 0, visibleGroups, keptGroups, groupCandidates);
      const chosen = numbersOf(groupCandidates, keptGroups);
      let listed = 0;
      let next = 0;
      for (let g = 0; g < groups; g++) {
        const start = load<i32>(chosen + ((<usize>g) << 2)) * coarseBlocks;
        listed = listForced(args, number, next, start, present, chosenScores, chosenNumbers, listed);
        next = min(start + coarseBlocks, visible);
        scorePanels(features, tileFeatures + (lane << 2), rank, start, next, fineScores);
        adjust(args, batchHead, number, present, fineScores, start, next);
        memory.copy(chosenScores + (listed << 2), fineScores + ((<usize>start) << 2), (next - start) << 2);
        for (let block = start; block < next; block++) store<i32>(chosenNumbers + (listed++ << 2), block);
      }
      listed = listForced(args, number, next, visible, present, chosenScores, chosenNumbers, listed);
      const found = takeLargest(chosenScores, chosenNumbers, listed, kept, candidates);
      writeList(candidates, kept, found, slots, list);
    }
  }
}

/** Scores of the blocks [from, to), and of what else lies in their panels, for one tile: two panels at a time. */
function scorePanels(features: usize, tile: usize, rank: i32, from: i32, to: i32, row: usize): void {
  const panelBytes = (<usize>rank) << 5;
  const last = (to + 7) >> 3;
  let panel = from >> 3;
  for (; panel + 2 <= last; panel += 2) {
    let b = features + (<usize>panel) * panelBytes;
    let s0 = f32x4.splat(0);
    let s1 = s0;
    let s2 = s0;
    let s3 = s0;
    for (let d = 0, q = tile; d < rank; d++, q += 16, b += 32) {
      const x = v128.load32_splat(q);
      s0 = madd(x, v128.load(b), s0);
      s1 = madd(x, v128.load(b, 16), s1);
      s2 = madd(x, v128.load(b + panelBytes), s2);
      s3 = madd(x, v128.load(b + panelBytes, 16), s3);
    }
    const to = row + ((<usize>panel) << 5);
    v128.store(to, s0);
    v128.store(to, s1, 16);
    v128.store(to, s2, 32);
    v128.store(to, s3, 48);
  }
  if (panel < last) {
    let b = features + (<usize>panel) * panelBytes;
    let s0 = f32x4.splat(0);
    let s1 = s0;
    for (let d = 0, q = tile; d < rank; d++, q += 16, b += 32) {
      const x = v128.load32_splat(q);
      s0 = madd(x, v128.load(b), s0);
      s1 = madd(x, v128.load(b, 16), s1);
    }
    v128.store(row + ((<usize>panel) << 5), s0);
    v128.store(row + ((<usize>panel) << 5), s1, 16);
  }
}

/** Absent blocks score −∞, which is never taken. Without a mask there are none. */
function hideAbsent(args: usize, present: usize, row: usize, from: i32, to: i32): void {
  if (!load<u32>(args, 8)) return;
  for (let block = from; block < to; block++) {
    if (!load<u8>(present + block)) store<f32>(row + ((<usize>block) << 2), -Infinity);
  }
}

/** Adds the relative bias, puts forced blocks first (+∞) and hides absent ones. */
function adjust(args: usize, batchHead: i32, tile: i32, present: usize, row: usize, from: i32, to: i32): void {
  const table = <usize>load<u32>(args, 28);
  if (table) {
    const span = load<i32>(args, 80);
    const center = table + (((<usize>(batchHead % load<i32>(args, 36))) * (2 * span + 1) + span) << 2);
    for (let block = from; block < to; block++) {
      const cell = row + ((<usize>block) << 2);
      const offset = min(max(block - tile, -span), span);
      store<f32>(cell, load<f32>(cell) + load<f32>(center + (offset << 2)));
    }
  }
  if (load<i32>(args, 72) || load<i32>(args, 76)) {
    for (let block = from; block < to; block++) {
      if (isForced(args, tile, block)) store<f32>(row + ((<usize>block) << 2), Infinity);
    }
  }
  hideAbsent(args, present, row, from, to);
}

// @ts-ignore: decorator
@inline
function isForced(args: usize, tile: i32, block: i32): bool {
  const distance = block > tile ? block - tile : tile - block;
  return block < load<i32>(args, 72) || distance < load<i32>(args, 76);
}

/** Appends the forced blocks of [from, to), which lie in no chosen group, to what is listed; returns how many are. */
function listForced(
  args: usize,
  tile: i32,
  from: i32,
  to: i32,
  present: usize,
  scores: usize,
  numbers: usize,
  listed: i32,
): i32 {
  if (!load<i32>(args, 72) && !load<i32>(args, 76)) return listed;
  for (let block = from; block < to; block++) {
    if (!load<u8>(present + block) || !isForced(args, tile, block)) continue;
    store<f32>(scores + (listed << 2), Infinity);
    store<i32>(numbers + (listed << 2), block);
    listed++;
  }
  return listed;
}

/** Writes the taken blocks, ascending, then −1 up to `slots`. */
function writeList(candidates: usize, wanted: i32, found: i32, slots: i32, list: usize): void {
  memory.copy(list, numbersOf(candidates, wanted), (<usize>found) << 2);
  memory.fill(list + ((<usize>found) << 2), 0xff, (<usize>(slots - found)) << 2);
}

/** Packed mean features [rank][4] of `count` tiles from `tile` on, over their present queries. */
function meanTiles(args: usize, batchHead: i32, tile: i32, count: i32, out: usize, mean: usize): void {
  const order = <usize>load<u32>(args, 4);
  const mask = <usize>load<u32>(args, 8);
  const heads = load<i32>(args, 36);
  const queries = load<i32>(args, 40);
  const rank = load<i32>(args, 48);
  const tileQueries = load<i32>(args, 52);
  const points = <usize>load<u32>(args) + (<usize>batchHead) * queries * (rank << 2);
  const orderHere = order ? order + (((<usize>batchHead) * queries) << 2) : 0;
  const maskHere = mask ? mask + (<usize>(batchHead / heads)) * queries : 0;
  memory.fill(out, 0, (<usize>rank) << 4);
  for (let lane = 0; lane < count; lane++) {
    const start = (tile + lane) * tileQueries;
    meanPoint(points, orderHere, maskHere, start, min(start + tileQueries, queries), rank, mean);
    for (let d = 0, to = out + (lane << 2); d < rank; d++, to += 16) store<f32>(to, load<f32>(mean + (d << 2)));
  }
}
