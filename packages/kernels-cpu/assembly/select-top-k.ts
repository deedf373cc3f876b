// select-top-k: scores of query tiles against key blocks in gate space, and the best of each tile's.
//
// featureBlocks first turns keys into mean features of blocks (and of coarse groups), packed [n / 8][rank][8] for the
// matrix tile; selectTopK then scores four tiles at a time. Nothing queries × keys is kept: a task holds the scores of
// four tiles.

import { madd } from './lanes';
import { tile4x8 } from './micro';
import { keepSmallest, orderedKey, orderedValue } from './order-statistics';

/**
 * Mean features of blocks of `block` positions; a task 8 blocks of a head.
 * args: points [bh, tokens, rank], order (or 0), mask (or 0), features [bh][⌈blocks/8⌉][rank][8], present u8 [bh][blocks8],
 * heads, tokens, rank, block, blocks
 */
export function featureBlocks(args: usize, task: i32, _scratch: usize): void {
  const order = <usize>load<u32>(args, 4);
  const mask = <usize>load<u32>(args, 8);
  const heads = load<i32>(args, 20);
  const tokens = load<i32>(args, 24);
  const rank = load<i32>(args, 28);
  const block = load<i32>(args, 32);
  const panels = (load<i32>(args, 36) + 7) >> 3;
  const batchHead = task / panels;
  const points = <usize>load<u32>(args) + (<usize>batchHead) * tokens * (rank << 2);
  const features = <usize>load<u32>(args, 12) + (<usize>task) * (rank << 5);
  const present = <usize>load<u32>(args, 16) + ((<usize>task) << 3);
  memory.fill(features, 0, (<usize>rank) << 5);
  for (let lane = 0; lane < 8; lane++) {
    const start = ((task % panels) * 8 + lane) * block;
    const end = min(start + block, tokens);
    let count: f32 = 0;
    for (let position = start; position < end; position++) {
      const t = order ? load<i32>(order + (((<usize>batchHead) * tokens + position) << 2)) : position;
      if (mask && !load<u8>(mask + (<usize>(batchHead / heads)) * tokens + t)) continue;
      count += 1;
      let from = points + (<usize>t) * (rank << 2);
      for (let d = 0, to = features + (lane << 2); d < rank; d++, to += 32, from += 4) {
        store<f32>(to, load<f32>(to) + load<f32>(from));
      }
    }
    store<u8>(present + lane, count > 0 ? 1 : 0);
    if (count > 1) {
      for (let d = 0, to = features + (lane << 2); d < rank; d++, to += 32) store<f32>(to, load<f32>(to) / count);
    }
  }
}

/**
 * A task is 16 tiles of a head.
 * args: query points, queryOrder, queryMask, block features, block present, coarse features, coarse present (or 0),
 * relativeBias (or 0), indices, heads, queries, keys, rank, tileQueries, blockKeys, blocks, slots, causal, forceFirst,
 * forceDiagonal, biasSpan, coarseBlocks, coarseCount, coarseSlots
 * scratch, bytes: 16·rank tiles, 16·max(blocks8, coarse8) scores, 4·blocks8 fine scores, candidates of blocks
 * and of groups, each candidateBytes
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

  const tileFeatures = scratch;
  const scores = tileFeatures + ((<usize>rank) << 4);
  const fineScores = scores + ((<usize>max(blockPanels, coarsePanels)) << 7);
  const candidates = fineScores + ((<usize>blockPanels) << 5);
  const groupCandidates = candidates + candidateBytes(min(slots, blocks));
  const kept = min(slots, blocks);
  const keptGroups = min(coarseSlots, coarseCount);
  const rowBytes = (<usize>(coarseBlocks ? coarsePanels : blockPanels)) << 5;

  for (let tile = first; tile < last; tile += 4) {
    const count = min(4, last - tile);
    meanTiles(args, batchHead, tile, count, tileFeatures);
    // One level: the blocks' scores of four tiles at once. Two levels: the groups'; which blocks follow differs by tile.
    let panel = coarseBlocks ? coarse : features;
    for (let column: usize = 0; column < rowBytes; column += 32, panel += panelBytes) {
      tile4x8(tileFeatures, 16, panel, rank, scores + column, rowBytes, false);
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
        const found = scan(row, 0, visible, candidates, 0, kept);
        writeBest(candidates, found, kept, slots, list);
        continue;
      }
      const visibleGroups = (visible + coarseBlocks - 1) / coarseBlocks;
      hideAbsent(coarsePresent, row, 0, visibleGroups);
      let groups = scan(row, 0, visibleGroups, groupCandidates, 0, keptGroups);
      groups = keepBest(groupCandidates, groups, keptGroups);
      const chosen = numbersOf(groupCandidates, keptGroups);
      let found = 0;
      let next = 0;
      for (let g = 0; g < groups; g++) {
        const start = load<i32>(chosen + ((<usize>g) << 2)) * coarseBlocks;
        found = pushForced(args, number, next, start, present, candidates, found, kept);
        next = min(start + coarseBlocks, visible);
        scorePanels(features, tileFeatures + (lane << 2), rank, start, next, fineScores);
        adjust(args, batchHead, number, present, fineScores, start, next);
        found = scan(fineScores, start, next, candidates, found, kept);
      }
      found = pushForced(args, number, next, visible, present, candidates, found, kept);
      writeBest(candidates, found, kept, slots, list);
    }
  }
}

/** Scores of the blocks [from, to), and of what else lies in their panels, for one tile. */
function scorePanels(features: usize, tile: usize, rank: i32, from: i32, to: i32, row: usize): void {
  for (let panel = from >> 3; panel << 3 < to; panel++) {
    let b = features + (<usize>panel) * (rank << 5);
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

/** Absent blocks score −∞: scan leaves them out. */
function hideAbsent(present: usize, row: usize, from: i32, to: i32): void {
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
  hideAbsent(present, row, from, to);
}

// @ts-ignore: decorator
@inline
function isForced(args: usize, tile: i32, block: i32): bool {
  const distance = block > tile ? block - tile : tile - block;
  return block < load<i32>(args, 72) || distance < load<i32>(args, 76);
}

// Candidates are two arrays: keys (negated scores, so that smaller is better) and block numbers, ascending. They hold up to
// twice what is wanted and some more, then the best are kept.

// @ts-ignore: decorator
@inline
function capacity(wanted: i32): i32 {
  return 2 * wanted + 60;
}

// @ts-ignore: decorator
@inline
function candidateBytes(wanted: i32): usize {
  return (<usize>(capacity(wanted) + 4)) << 3;
}

// @ts-ignore: decorator
@inline
function numbersOf(candidates: usize, wanted: i32): usize {
  return candidates + (candidateBytes(wanted) >> 1);
}

/** Forced blocks of [from, to), which lie in no chosen group. */
function pushForced(
  args: usize,
  tile: i32,
  from: i32,
  to: i32,
  present: usize,
  candidates: usize,
  found: i32,
  wanted: i32,
): i32 {
  if (!load<i32>(args, 72) && !load<i32>(args, 76)) return found;
  for (let block = from; block < to; block++) {
    if (!load<u8>(present + block) || !isForced(args, tile, block)) continue;
    if (found == capacity(wanted)) found = keepBest(candidates, found, wanted);
    store<i32>(candidates + ((<usize>found) << 2), ~orderedKey(Infinity));
    store<i32>(numbersOf(candidates, wanted) + ((<usize>found) << 2), block);
    found++;
  }
  return found;
}

/**
 * Adds to the `found` candidates those of row[from … to) that may still be among the best `wanted`: once there were
 * enough, a score must beat the worst kept one (later blocks lose ties), which one comparison finds out for four blocks.
 */
function scan(row: usize, from: i32, to: i32, candidates: usize, found: i32, wanted: i32): i32 {
  let threshold: f32 = -Infinity;
  if (wanted == 0) return 0;
  const numbers = numbersOf(candidates, wanted);
  let block = from;
  while (block < to) {
    const cell = row + ((<usize>block) << 2);
    if (!(block & 3) && block + 4 <= to && !v128.any_true(f32x4.gt(v128.load(cell), f32x4.splat(threshold)))) {
      block += 4;
      continue;
    }
    const score = load<f32>(cell);
    if (score > threshold) {
      if (found == capacity(wanted)) {
        threshold = orderedValue(~keepSmallest(candidates, numbers, found, wanted));
        found = wanted;
      }
      if (score > threshold) {
        store<i32>(candidates + ((<usize>found) << 2), ~orderedKey(score));
        store<i32>(numbers + ((<usize>found) << 2), block);
        found++;
      }
    }
    block++;
  }
  return found;
}

/** Keeps the best `wanted` candidates; returns how many there are. */
function keepBest(candidates: usize, found: i32, wanted: i32): i32 {
  if (found <= wanted) return found;
  if (wanted > 0) keepSmallest(candidates, numbersOf(candidates, wanted), found, wanted);
  return wanted;
}

/** Writes the best candidates, ascending, then −1 up to `slots`. */
function writeBest(candidates: usize, found: i32, wanted: i32, slots: i32, list: usize): void {
  const kept = keepBest(candidates, found, wanted);
  memory.copy(list, numbersOf(candidates, wanted), (<usize>kept) << 2);
  memory.fill(list + ((<usize>kept) << 2), 0xff, (<usize>(slots - kept)) << 2);
}

/** Packed mean features [rank][4] of `count` tiles from `tile` on, over their present queries. */
function meanTiles(args: usize, batchHead: i32, tile: i32, count: i32, out: usize): void {
  const order = <usize>load<u32>(args, 4);
  const mask = <usize>load<u32>(args, 8);
  const heads = load<i32>(args, 36);
  const queries = load<i32>(args, 40);
  const rank = load<i32>(args, 48);
  const tileQueries = load<i32>(args, 52);
  const points = <usize>load<u32>(args) + (<usize>batchHead) * queries * (rank << 2);
  memory.fill(out, 0, (<usize>rank) << 4);
  for (let lane = 0; lane < count; lane++) {
    const start = (tile + lane) * tileQueries;
    const end = min(start + tileQueries, queries);
    let present: f32 = 0;
    for (let position = start; position < end; position++) {
      const q = order ? load<i32>(order + (((<usize>batchHead) * queries + position) << 2)) : position;
      if (mask && !load<u8>(mask + (<usize>(batchHead / heads)) * queries + q)) continue;
      present += 1;
      let from = points + (<usize>q) * (rank << 2);
      for (let d = 0, to = out + (lane << 2); d < rank; d++, to += 16, from += 4) {
        store<f32>(to, load<f32>(to) + load<f32>(from));
      }
    }
    if (present > 1) {
      for (let d = 0, to = out + (lane << 2); d < rank; d++, to += 16) store<f32>(to, load<f32>(to) / present);
    }
  }
}
