// dense-attention: tiles of 16 queries against chunks of 128 keys with online softmax (Dao et al., arXiv 2205.14135).
// The scores of one chunk (8 KiB) and the tile's sums are all that is ever kept.

import {
  CAUSAL,
  COLUMN,
  causalLimits,
  exponentiate,
  fillColumn,
  HEAD_DIM,
  headOfPass,
  hideColumn,
  KEYS,
  keyAt,
  LANES,
  packedKeysOf,
  packedValuesOf,
  packQueries,
  panels,
  QUERIES,
  raiseMaxima,
  scoreRows,
  settleMaxima,
  writeTile,
} from './attention';
import { exp } from './lanes';
import { tile4x8 } from './micro';

/** Keys of a chunk, and the unit their values are packed in (see ../src/kernels/dense-attention.ts). */
const CHUNK: i32 = 128;

/**
 * A task is a tile of 16 queries of a head.
 * scratch, f32: 16·headDim queries, 128·16 scores, 16·(8·panels) sums, 5·16 maxima and so on
 */
export function denseAttention(args: usize, task: i32, scratch: usize): void {
  const queries = load<i32>(args, QUERIES);
  const keys = load<i32>(args, KEYS);
  const headDim = load<i32>(args, HEAD_DIM);
  const causal = load<i32>(args, CAUSAL);
  const tiles = (queries + LANES - 1) / LANES;
  const batchHead = headOfPass(args, task / tiles);
  const start = (task % tiles) * LANES;
  const end = min(start + LANES, queries);
  const count = end - start;

  const packedQueries = scratch;
  const scores = packedQueries + ((<usize>headDim) << 6);
  const maxima = scores + (<usize>CHUNK) * COLUMN;
  const denominators = maxima + COLUMN;
  const chunkMaxima = denominators + COLUMN;
  const corrections = chunkMaxima + COLUMN;
  const limits = corrections + COLUMN;
  const sums = limits + COLUMN;
  const strideSums = (<usize>panels(args)) << 5;

  packQueries(args, batchHead, start, end, packedQueries);
  causalLimits(args, batchHead, start, end, limits);
  fillColumn(maxima, -Infinity);
  fillColumn(denominators, 0);
  memory.fill(sums, 0, (<usize>LANES) * strideSums);
  const keysIn = packedKeysOf(args, batchHead);
  const valuesIn = packedValuesOf(args, batchHead);
  const unitStride = (<usize>CHUNK) << 5;
  // Queries ascend here: the last one sees the most keys.
  const visible = causal ? min(keys, max(0, load<i32>(limits + ((count - 1) << 2)) + 1)) : keys;

  for (let first = 0; first < visible; first += CHUNK) {
    const rows = min(CHUNK, ((keys + 3) & ~3) - first);
    scoreRows(keysIn + (<usize>first) * (headDim << 2), rows, packedQueries, headDim, scores, count);
    memory.copy(chunkMaxima, maxima, COLUMN);
    for (let row = 0, column = scores; row < rows; row++, column += COLUMN) {
      if (keyAt(args, batchHead, first + row) < 0) {
        fillColumn(column, -Infinity);
      } else if (causal) {
        hideColumn(column, first + row, limits);
      }
    }
    raiseMaxima(scores, rows, chunkMaxima);
    rescale(maxima, chunkMaxima, denominators, corrections, sums, strideSums);
    memory.copy(maxima, chunkMaxima, COLUMN);
    // A row that has seen nothing yet keeps −∞ as its maximum, but subtracts 0.
    settleMaxima(chunkMaxima);
    exponentiate(scores, rows, chunkMaxima, denominators);
    for (let panel = 0; panel < panels(args); panel++) {
      for (let lane = 0; lane < count; lane += 4) {
        tile4x8(
          scores + (lane << 2),
          COLUMN,
          valuesIn + (<usize>first) * strideSums + (<usize>panel) * unitStride,
          rows,
          sums + (<usize>lane) * strideSums + (panel << 5),
          strideSums,
          true,
        );
      }
    }
  }
  writeTile(args, batchHead, start, end, sums, maxima, denominators);
}

/** Brings denominators and sums from the old maxima to the new ones. */
function rescale(
  old: usize,
  fresh: usize,
  denominators: usize,
  corrections: usize,
  sums: usize,
  strideSums: usize,
): void {
  let changed = false;
  for (let i: usize = 0; i < COLUMN; i += 16) {
    const before = v128.load(old + i);
    const after = v128.load(fresh + i);
    // Equal maxima, −∞ among them, keep what is there.
    const same = f32x4.eq(before, after);
    const factor = v128.bitselect(f32x4.splat(1), exp(f32x4.sub(before, after)), same);
    if (!i32x4.all_true(same)) changed = true;
    v128.store(corrections + i, factor);
    v128.store(denominators + i, f32x4.mul(v128.load(denominators + i), factor));
  }
  if (!changed) return;
  for (let lane = 0; lane < LANES; lane++) {
    const factor = v128.load32_splat(corrections + (lane << 2));
    const row = sums + (<usize>lane) * strideSums;
    for (let i: usize = 0; i < strideSums; i += 16) v128.store(row + i, f32x4.mul(v128.load(row + i), factor));
  }
}
