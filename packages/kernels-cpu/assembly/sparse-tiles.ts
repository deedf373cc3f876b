// sparse-attention where several queries share a list (tileQueries > 1).
//
// The columns of a tile are its selected keys, then the residual groups. Blocks whose size is a multiple of 4 are read in
// place from the packed operands; other sizes are gathered into a packed operand of the tile's own. All columns' scores
// are kept (columns × 16 f32), so there is no online softmax here: the residual needs them before any weight is final.
//
// Residual: the packed group row is the mean k̄₀ of the group's c present keys. For a group of which the tile selected
// some, n = c − |selected|, the logit of the mean of the rest follows from the logits there are:
//   q·k̄ = (c·q·k̄₀ − Σ_selected q·k) / n, and with w = p_group / n the values' part is w·(Σ_group v − Σ_selected v),
// so w is taken from the selected keys' own weights and the group's value sum gets weight w: no mean is ever built.

import {
  BLOCK_KEYS,
  CAUSAL,
  COLUMN,
  causalLimits,
  exponentiate,
  fillColumn,
  GROUP_ROWS,
  groupCountsOf,
  groupValuesOf,
  HEAD_DIM,
  headOfPass,
  hideColumn,
  INDICES,
  KEY,
  KEY_ROWS,
  KEY_TOKEN,
  KEYS,
  keyAt,
  keyRows,
  LANES,
  packedKeysOf,
  packedValuesOf,
  packQueries,
  panels,
  QUERIES,
  RESIDUAL_GROUP,
  raiseMaxima,
  SLOTS,
  scoreRows,
  settleMaxima,
  subtractColumn,
  TILE_QUERIES,
  VALUE,
  writeTile,
} from './attention';
import { readEntries } from './entries';
import { logScalar } from './lanes';
import { tile4x8Segments } from './micro';
import { packColumns8, packRows4 } from './pack';

/**
 * A task is a tile of a head. With columns = selected columns rounded up to a multiple of 4:
 * scratch, bytes: 64·headDim queries, 192 maxima and so on, 512·panels sums, 64·(columns + groupRows) scores, for gathered
 * tiles 4·headDim·columns + 32·panels·columns, then 4·slots entries, 4·columns keys, 8·(slots + 1) segments,
 * 8·groupRows left and touched
 */
export function sparseTiles(args: usize, task: i32, scratch: usize): void {
  const queries = load<i32>(args, QUERIES);
  const keys = load<i32>(args, KEYS);
  const headDim = load<i32>(args, HEAD_DIM);
  const tileQueries = load<i32>(args, TILE_QUERIES);
  const blockKeys = load<i32>(args, BLOCK_KEYS);
  const groupRows = load<i32>(args, GROUP_ROWS);
  const keyRowsPacked = load<i32>(args, KEY_ROWS);
  const residualGroup = load<i32>(args, RESIDUAL_GROUP);
  const tiles = (queries + tileQueries - 1) / tileQueries;
  const batchHead = headOfPass(args, task / tiles);
  const blocks = (keys + blockKeys - 1) / blockKeys;
  const slots = min(load<i32>(args, SLOTS), blocks);
  const columnLimit = (slots * blockKeys + 3) & ~3;
  const panelCount = panels(args);

  const packedQueries = scratch;
  const maxima = packedQueries + ((<usize>headDim) << 6);
  const denominators = maxima + COLUMN;
  const limits = denominators + COLUMN;
  const sums = limits + COLUMN;
  const strideSums = (<usize>panelCount) << 5;
  // What vectors are read from lies on 64-byte boundaries; the small lists come last.
  const scores = sums + (<usize>LANES) * strideSums;
  const gatheredKeys = scores + (<usize>(columnLimit + groupRows)) * COLUMN;
  const gatheredValues = gatheredKeys + (keyRowsPacked ? 0 : (<usize>columnLimit) * (headDim << 2));
  const entries = gatheredValues + (keyRowsPacked ? 0 : (<usize>columnLimit) * strideSums);
  const columnKeys = entries + ((<usize>slots) << 2);
  const segments = columnKeys + ((<usize>columnLimit) << 2);
  const left = segments + (((<usize>slots) + 1) << 3);
  const touched = left + ((<usize>groupRows) << 2);

  // Which columns there are: the same for all queries of the tile.
  const list = <usize>load<u32>(args, INDICES) + (((<usize>(batchHead * tiles + (task % tiles))) * load<i32>(args, SLOTS)) << 2);
  const count = readEntries(list, load<i32>(args, SLOTS), blocks, entries);
  const packedInPlace = keyRowsPacked > 0;
  let columns = 0;
  for (let e = 0; e < count; e++) {
    const position = load<i32>(entries + (e << 2)) * blockKeys;
    for (let i = 0; i < blockKeys; i++) {
      store<i32>(columnKeys + (columns << 2), keyAt(args, batchHead, position + i));
      columns++;
    }
    store<u32>(segments + (e << 3), <u32>((<usize>position) * strideSums));
    store<i32>(segments + (e << 3), blockKeys, 4);
  }
  let segmentCount = count;
  if (!packedInPlace) {
    while (columns & 3) {
      store<i32>(columnKeys + (columns << 2), -1);
      columns++;
    }
    gather(args, batchHead, columnKeys, columns, gatheredKeys, gatheredValues);
    store<u32>(segments, 0);
    store<i32>(segments, columns, 4);
    segmentCount = columns ? 1 : 0;
  }
  if (groupRows) countLeft(args, batchHead, entries, count, columnKeys, left, touched);

  const keysIn = packedKeysOf(args, batchHead);
  const valuesIn = packedValuesOf(args, batchHead);
  const groupValues = groupValuesOf(args, batchHead);
  const tileStart = (task % tiles) * tileQueries;
  const tileEnd = min(tileStart + tileQueries, queries);
  const groupScores = scores + (<usize>columns) * COLUMN;
  const causal = load<i32>(args, CAUSAL);

  for (let start = tileStart; start < tileEnd; start += LANES) {
    const end = min(start + LANES, tileEnd);
    const lanes = end - start;
    packQueries(args, batchHead, start, end, packedQueries);
    fillColumn(maxima, -Infinity);
    fillColumn(denominators, 0);

    if (packedInPlace) {
      let column = scores;
      for (let s = 0; s < segmentCount; s++) {
        const position = load<i32>(entries + (s << 2)) * blockKeys;
        scoreRows(keysIn + (<usize>position) * (headDim << 2), blockKeys, packedQueries, headDim, column, lanes);
        column += (<usize>blockKeys) * COLUMN;
      }
    } else {
      scoreRows(gatheredKeys, columns, packedQueries, headDim, scores, lanes);
    }
    if (groupRows) {
      scoreRows(
        keysIn + (<usize>keyRowsPacked) * (headDim << 2),
        groupRows,
        packedQueries,
        headDim,
        groupScores,
        lanes,
      );
      groupLogits(args, batchHead, entries, count, columnKeys, left, touched, scores, groupScores);
    }

    if (causal) causalLimits(args, batchHead, start, end, limits);
    for (let c = 0, column = scores; c < columns; c++, column += COLUMN) {
      const key = load<i32>(columnKeys + (c << 2));
      if (key < 0) {
        fillColumn(column, -Infinity);
      } else if (causal) {
        hideColumn(column, key, limits);
      }
    }
    raiseMaxima(scores, columns + groupRows, maxima);
    settleMaxima(maxima);
    exponentiate(scores, columns + groupRows, maxima, denominators);
    if (groupRows) {
      groupWeights(args, entries, count, columnKeys, left, touched, scores, groupScores);
    }

    if (columns + groupRows == 0) {
      memory.fill(sums, 0, (<usize>LANES) * strideSums);
    } else {
      const base = packedInPlace ? valuesIn : gatheredValues;
      const baseStride = (<usize>(packedInPlace ? blockKeys : columns)) << 5;
      const groupSegment = segments + ((<usize>segmentCount) << 3);
      store<u32>(groupSegment, 0);
      store<i32>(groupSegment, groupRows, 4);
      for (let panel = 0; panel < panelCount; panel++) {
        for (let lane = 0; lane < lanes; lane += 4) {
          const sum = sums + (<usize>lane) * strideSums + (panel << 5);
          const b = base + (<usize>panel) * baseStride;
          const weights = scores + (lane << 2);
          if (columns) tile4x8Segments(weights, COLUMN, b, segments, segmentCount, sum, strideSums, false);
          if (groupRows) {
            tile4x8Segments(
              groupScores + (lane << 2),
              COLUMN,
              groupValues + (((<usize>panel) * groupRows) << 5),
              groupSegment,
              1,
              sum,
              strideSums,
              columns > 0,
            );
          }
        }
      }
    }
    // Groups of a tile with nothing selected and nothing left, too, end here: denominator 0, output 0, lse −∞.
    writeTile(args, batchHead, start, end, sums, maxima, denominators);
  }
}

/** Packs the listed keys' rows and values: [columns / 4][headDim][4] and [panels][columns][8]. */
function gather(
  args: usize,
  batchHead: i32,
  columnKeys: usize,
  columns: i32,
  keysOut: usize,
  valuesOut: usize,
): void {
  const headDim = load<i32>(args, HEAD_DIM);
  const token = <usize>load<u32>(args, KEY_TOKEN);
  const key = keyRows(args, <usize>load<u32>(args, KEY), batchHead);
  const value = keyRows(args, <usize>load<u32>(args, VALUE), batchHead);
  const panelStride = (<usize>columns) << 5;
  for (let c = 0; c < columns; c += 4) {
    const k0 = load<i32>(columnKeys + (c << 2));
    const k1 = load<i32>(columnKeys + (c << 2), 4);
    const k2 = load<i32>(columnKeys + (c << 2), 8);
    const k3 = load<i32>(columnKeys + (c << 2), 12);
    packRows4(
      k0 < 0 ? 0 : key + (<usize>k0) * token,
      k1 < 0 ? 0 : key + (<usize>k1) * token,
      k2 < 0 ? 0 : key + (<usize>k2) * token,
      k3 < 0 ? 0 : key + (<usize>k3) * token,
      headDim,
      keysOut + (<usize>c) * (headDim << 2),
      16,
      1,
    );
    const out = valuesOut + ((<usize>c) << 5);
    packColumns8(k0 < 0 ? 0 : value + (<usize>k0) * token, headDim, out, panelStride);
    packColumns8(k1 < 0 ? 0 : value + (<usize>k1) * token, headDim, out + 32, panelStride);
    packColumns8(k2 < 0 ? 0 : value + (<usize>k2) * token, headDim, out + 64, panelStride);
    packColumns8(k3 < 0 ? 0 : value + (<usize>k3) * token, headDim, out + 96, panelStride);
  }
}

/** left[g] = present keys of group g that the tile did not select, touched[g] = whether it selected any. */
function countLeft(
  args: usize,
  batchHead: i32,
  entries: usize,
  count: i32,
  columnKeys: usize,
  left: usize,
  touched: usize,
): void {
  const groupRows = load<i32>(args, GROUP_ROWS);
  const blockKeys = load<i32>(args, BLOCK_KEYS);
  const group = load<i32>(args, RESIDUAL_GROUP);
  const counts = groupCountsOf(args, batchHead);
  memory.copy(left, counts, groupRows << 2);
  memory.fill(touched, 0, groupRows << 2);
  let column = columnKeys;
  for (let e = 0; e < count; e++) {
    const g = <usize>((load<i32>(entries + (e << 2)) * blockKeys) / group) << 2;
    store<i32>(touched + g, 1);
    for (let i = 0; i < blockKeys; i++, column += 4) {
      if (load<i32>(column) >= 0) store<f32>(left + g, load<f32>(left + g) - 1);
    }
  }
}

// @ts-ignore: decorator
@inline
function scaleColumn(column: usize, factor: f32, term: f32): void {
  const f = f32x4.splat(factor);
  const t = f32x4.splat(term);
  for (let i: usize = 0; i < COLUMN; i += 16) {
    v128.store(column + i, f32x4.add(f32x4.mul(v128.load(column + i), f), t));
  }
}

/** From q·(mean of the whole group) to the group's logit: q·(mean of what is left) + ln(how much is left). */
function groupLogits(
  args: usize,
  batchHead: i32,
  entries: usize,
  count: i32,
  columnKeys: usize,
  left: usize,
  touched: usize,
  scores: usize,
  groupScores: usize,
): void {
  const groupRows = load<i32>(args, GROUP_ROWS);
  const blockKeys = load<i32>(args, BLOCK_KEYS);
  const group = load<i32>(args, RESIDUAL_GROUP);
  const counts = groupCountsOf(args, batchHead);
  for (let g: usize = 0; g < <usize>groupRows; g++) {
    if (load<i32>(touched + (g << 2))) scaleColumn(groupScores + g * COLUMN, load<f32>(counts + (g << 2)), 0);
  }
  let c = 0;
  for (let e = 0; e < count; e++) {
    const g = <usize>((load<i32>(entries + (e << 2)) * blockKeys) / group);
    for (let i = 0; i < blockKeys; i++, c++) {
      if (load<i32>(columnKeys + (c << 2)) >= 0) {
        subtractColumn(groupScores + g * COLUMN, scores + (<usize>c) * COLUMN);
      }
    }
  }
  const logs = counts + ((<usize>groupRows) << 2);
  for (let g: usize = 0; g < <usize>groupRows; g++) {
    const n = load<f32>(left + (g << 2));
    const column = groupScores + g * COLUMN;
    if (n <= 0) fillColumn(column, -Infinity);
    else if (load<i32>(touched + (g << 2))) scaleColumn(column, 1 / n, logScalar(n));
    else scaleColumn(column, 1, load<f32>(logs + (g << 2)));
  }
}

/** From probabilities to the weights of the value rows: w = p/n for a group's sum, p − w for its selected keys. */
function groupWeights(
  args: usize,
  entries: usize,
  count: i32,
  columnKeys: usize,
  left: usize,
  touched: usize,
  scores: usize,
  groupScores: usize,
): void {
  const blockKeys = load<i32>(args, BLOCK_KEYS);
  const group = load<i32>(args, RESIDUAL_GROUP);
  const groupRows = load<i32>(args, GROUP_ROWS);
  for (let g: usize = 0; g < <usize>groupRows; g++) {
    const n = load<f32>(left + (g << 2));
    if (n > 0) scaleColumn(groupScores + g * COLUMN, 1 / n, 0);
  }
  let c = 0;
  for (let e = 0; e < count; e++) {
    const g = <usize>((load<i32>(entries + (e << 2)) * blockKeys) / group);
    for (let i = 0; i < blockKeys; i++, c++) {
      if (load<i32>(columnKeys + (c << 2)) >= 0) {
        subtractColumn(scores + (<usize>c) * COLUMN, groupScores + g * COLUMN);
      }
    }
  }
}
