// dense-attention-gradient: two passes over tiles that compute the probabilities again, from lse, and keep none of them.
//
// denseGradientQueries owns 16 queries and walks the keys, denseGradientKeys owns 16 keys and walks the queries: each sums
// what is its own, in the order it walks, so no two tasks write to one place and reruns give the same bits. Scores and their
// slopes are computed in both: seven products, where one pass with atomic sums would do with five. Both work as
// dense-attention.ts does: what is walked is packed by packKeys (attention.ts) for all tasks of a head, what is owned lies
// in lanes.
//
//   quads   [rows / 4][headDim][4]              rows of keys, values, queries, output gradients: score products
//   panels  [rows / CHUNK][⌈headDim / 8⌉][CHUNK][8]  of keys, queries, output gradients: sums

import {
  CAUSAL,
  COLUMN,
  HEAD_DIM,
  headOfPass,
  KEY,
  KEY_TOKEN,
  KEYS,
  keyAt,
  keyRows,
  LANES,
  LSE,
  OUTPUT,
  panels,
  QUERIES,
  QUERY,
  QUERY_TOKEN,
  queryRows,
  SCALE,
  scoreRows,
  VALUE,
} from './attention';
import { exp, madd, sumLanes } from './lanes';
import { tile4x8 } from './micro';
import { packRows4 } from './pack';

// Byte offsets of the arguments behind those of attention.ts.
export const OUTPUT_GRADIENT: usize = 132;
export const QUERY_GRADIENT: usize = 136;
export const KEY_GRADIENT: usize = 140;
export const VALUE_GRADIENT: usize = 144;
const KEY_QUADS: usize = 148;
const KEY_PANELS: usize = 152;
const VALUE_QUADS: usize = 156;
const QUERY_QUADS: usize = 160;
const QUERY_PANELS: usize = 164;
const GRADIENT_QUADS: usize = 168;
const GRADIENT_PANELS: usize = 172;
/** f32 [heads of a pass][queries]: outputGradient · output, from denseGradientQueries. */
const DELTAS: usize = 176;
/** Packed rows of keys and of queries, multiples of CHUNK. */
const PACKED_KEY_ROWS: usize = 180;
const PACKED_QUERY_ROWS: usize = 184;

/** Rows that are walked at a time (see ../src/kernels/dense-attention-gradient.ts). */
const CHUNK: i32 = 128;

/** Packs rows [start, end) of tokens, scaled, to [2][headDim][8]. What a masked key's lane then computes is not written. */
function packTile(
  rows: usize,
  token: usize,
  start: i32,
  end: i32,
  headDim: i32,
  scale: f32,
  out: usize,
): void {
  for (let lane = 0; lane < LANES; lane += 4) {
    const t = start + lane;
    const row = rows + (<usize>t) * token;
    packRows4(
      t < end ? row : 0,
      t + 1 < end ? row + token : 0,
      t + 2 < end ? row + 2 * token : 0,
      t + 3 < end ? row + 3 * token : 0,
      headDim,
      out + (<usize>(lane >> 3)) * (headDim << 5) + ((lane & 4) << 2),
      32,
      scale,
    );
  }
}

/** sums[16][8·panels] += weights[rows][16]ᵀ · panels of `rows` rows. */
// @ts-ignore: decorator
@inline
function addProducts(weights: usize, rows: i32, from: usize, panelCount: i32, lanes: i32, sums: usize): void {
  const strideSums = (<usize>panelCount) << 5;
  for (let panel = 0; panel < panelCount; panel++) {
    for (let lane = 0; lane < lanes; lane += 4) {
      tile4x8(
        weights + (lane << 2),
        COLUMN,
        from + (<usize>panel) * (CHUNK << 5),
        rows,
        sums + (<usize>lane) * strideSums + (panel << 5),
        strideSums,
        true,
      );
    }
  }
}

// @ts-ignore: decorator
@inline
export function writeRow(from: usize, to: usize, bytes: usize, factor: f32): void {
  for (let i: usize = 0; i < bytes; i += 16) v128.store(to + i, f32x4.mul(v128.load(from + i), f32x4.splat(factor)));
}

// @ts-ignore: decorator
@inline
export function dotRow(a: usize, b: usize, bytes: usize): f32 {
  let sum = f32x4.splat(0);
  for (let i: usize = 0; i < bytes; i += 16) sum = madd(v128.load(a + i), v128.load(b + i), sum);
  return sumLanes(sum);
}

/** lse of a query, or ∞ for one that sees nothing: its probabilities then come out as 0. */
// @ts-ignore: decorator
@inline
export function settledLse(lse: f32): f32 {
  return lse == -Infinity ? Infinity : lse;
}

/** p = e^(s − lse), and ds = p · (dp − delta) in the place of dp. */
// @ts-ignore: decorator
@inline
export function slopes(s: usize, dp: usize, lse: v128, delta: v128): void {
  const p = exp(f32x4.sub(v128.load(s), lse));
  v128.store(s, p);
  v128.store(dp, f32x4.mul(p, f32x4.sub(v128.load(dp), delta)));
}

/**
 * queryGradient of 16 queries of a head; a task a tile.
 * scratch, f32: 2·16·headDim tiles, 2·CHUNK·16 scores, 16·(8·panels) sums, 3·16 lse, deltas, limits
 */
export function denseGradientQueries(args: usize, task: i32, scratch: usize): void {
  const queries = load<i32>(args, QUERIES);
  const keys = load<i32>(args, KEYS);
  const headDim = load<i32>(args, HEAD_DIM);
  const causal = load<i32>(args, CAUSAL);
  const scale = load<f32>(args, SCALE);
  const tiles = (queries + LANES - 1) / LANES;
  const index = task / tiles;
  const batchHead = headOfPass(args, index);
  const start = (task % tiles) * LANES;
  const end = min(start + LANES, queries);
  const lanes = end - start;
  const bytes = (<usize>headDim) << 2;
  const panelCount = panels(args);
  const token = <usize>load<u32>(args, QUERY_TOKEN);
  const flowing = queryRows(args, <usize>load<u32>(args, OUTPUT_GRADIENT), batchHead);
  const output = queryRows(args, <usize>load<u32>(args, OUTPUT), batchHead);

  const queryTile = scratch;
  const flowingTile = queryTile + 16 * bytes;
  const scores = flowingTile + 16 * bytes;
  const slopesOf = scores + (<usize>CHUNK) * COLUMN;
  const sums = slopesOf + (<usize>CHUNK) * COLUMN;
  const sumBytes = ((<usize>LANES) * panelCount) << 5;
  const lse = sums + sumBytes;
  const deltas = lse + COLUMN;

  packTile(queryRows(args, <usize>load<u32>(args, QUERY), batchHead), token, start, end, headDim, scale, queryTile);
  packTile(flowing, token, start, end, headDim, 1, flowingTile);
  memory.fill(sums, 0, sumBytes);
  const deltasOut = <usize>load<u32>(args, DELTAS) + (((<usize>index) * queries) << 2);
  const lseIn = <usize>load<u32>(args, LSE) + (((<usize>batchHead) * queries) << 2);
  for (let lane = 0; lane < LANES; lane++) {
    const query = start + lane;
    let l: f32 = Infinity;
    let delta: f32 = 0;
    if (query < end) {
      const row = (<usize>query) * token;
      l = settledLse(load<f32>(lseIn + (query << 2)));
      delta = dotRow(flowing + row, output + row, bytes);
      store<f32>(deltasOut + (query << 2), delta);
    }
    store<f32>(lse + (lane << 2), l);
    store<f32>(deltas + (lane << 2), delta);
  }

  const keyRowBytes = (<usize>load<i32>(args, PACKED_KEY_ROWS)) * bytes;
  const keyQuads = <usize>load<u32>(args, KEY_QUADS) + (<usize>index) * keyRowBytes;
  const valueQuads = <usize>load<u32>(args, VALUE_QUADS) + (<usize>index) * keyRowBytes;
  const panelRowBytes = (<usize>panelCount) << 5;
  const keyPanels =
    <usize>load<u32>(args, KEY_PANELS) + (<usize>index) * load<i32>(args, PACKED_KEY_ROWS) * panelRowBytes;
  const offset = keys - queries;
  const visible = causal ? min(keys, max(0, end + offset)) : keys;
  for (let first = 0; first < visible; first += CHUNK) {
    const rows = min(CHUNK, ((keys + 3) & ~3) - first);
    scoreRows(keyQuads + (<usize>first) * bytes, rows, queryTile, headDim, scores, lanes);
    scoreRows(valueQuads + (<usize>first) * bytes, rows, flowingTile, headDim, slopesOf, lanes);
    for (let row = 0; row < rows; row++) {
      const s = scores + (<usize>row) * COLUMN;
      const dp = slopesOf + (<usize>row) * COLUMN;
      if (keyAt(args, batchHead, first + row) < 0) {
        memory.fill(dp, 0, COLUMN);
        continue;
      }
      for (let i: usize = 0; i < COLUMN; i += 16) slopes(s + i, dp + i, v128.load(lse + i), v128.load(deltas + i));
      // Queries before the key, less the offset, do not see it.
      const hidden = causal ? min(max(first + row - offset - start, 0), LANES) : 0;
      memory.fill(dp, 0, hidden << 2);
    }
    addProducts(slopesOf, rows, keyPanels + (<usize>first) * panelRowBytes, panelCount, lanes, sums);
  }
  const out = queryRows(args, <usize>load<u32>(args, QUERY_GRADIENT), batchHead);
  for (let lane = 0; lane < lanes; lane++) {
    writeRow(sums + (<usize>lane) * panelRowBytes, out + (<usize>(start + lane)) * token, bytes, scale);
  }
}

/**
 * keyGradient and valueGradient of 16 keys of a head; a task a tile. Runs after denseGradientQueries.
 * scratch, f32: 2·16·headDim tiles, 2·CHUNK·16 scores, 2·16·(8·panels) sums
 */
export function denseGradientKeys(args: usize, task: i32, scratch: usize): void {
  const queries = load<i32>(args, QUERIES);
  const keys = load<i32>(args, KEYS);
  const headDim = load<i32>(args, HEAD_DIM);
  const causal = load<i32>(args, CAUSAL);
  const scale = load<f32>(args, SCALE);
  const tiles = (keys + LANES - 1) / LANES;
  const index = task / tiles;
  const batchHead = headOfPass(args, index);
  const start = (task % tiles) * LANES;
  const end = min(start + LANES, keys);
  const lanes = end - start;
  const bytes = (<usize>headDim) << 2;
  const panelCount = panels(args);
  const token = <usize>load<u32>(args, KEY_TOKEN);

  const keyTile = scratch;
  const valueTile = keyTile + 16 * bytes;
  const scores = valueTile + 16 * bytes;
  const slopesOf = scores + (<usize>CHUNK) * COLUMN;
  const keySums = slopesOf + (<usize>CHUNK) * COLUMN;
  const sumBytes = ((<usize>LANES) * panelCount) << 5;
  const valueSums = keySums + sumBytes;

  packTile(keyRows(args, <usize>load<u32>(args, KEY), batchHead), token, start, end, headDim, scale, keyTile);
  packTile(keyRows(args, <usize>load<u32>(args, VALUE), batchHead), token, start, end, headDim, 1, valueTile);
  memory.fill(keySums, 0, 2 * sumBytes);
  const packedRows = load<i32>(args, PACKED_QUERY_ROWS);
  const panelRowBytes = (<usize>panelCount) << 5;
  const quads = (<usize>index) * packedRows * bytes;
  const queryQuads = <usize>load<u32>(args, QUERY_QUADS) + quads;
  const flowingQuads = <usize>load<u32>(args, GRADIENT_QUADS) + quads;
  const panelsAt = (<usize>index) * packedRows * panelRowBytes;
  const queryPanels = <usize>load<u32>(args, QUERY_PANELS) + panelsAt;
  const flowingPanels = <usize>load<u32>(args, GRADIENT_PANELS) + panelsAt;
  const deltas = <usize>load<u32>(args, DELTAS) + (((<usize>index) * queries) << 2);
  const lse = <usize>load<u32>(args, LSE) + (((<usize>batchHead) * queries) << 2);
  const offset = keys - queries;
  // Under the causal mask earlier queries see none of these keys.
  const firstQuery = causal ? max(0, start - offset) : 0;
  for (let first = firstQuery & ~(CHUNK - 1); first < queries; first += CHUNK) {
    const rows = min(CHUNK, ((queries + 3) & ~3) - first);
    scoreRows(queryQuads + (<usize>first) * bytes, rows, keyTile, headDim, scores, lanes);
    scoreRows(flowingQuads + (<usize>first) * bytes, rows, valueTile, headDim, slopesOf, lanes);
    for (let row = 0; row < rows; row++) {
      const query = first + row;
      const p = scores + (<usize>row) * COLUMN;
      const ds = slopesOf + (<usize>row) * COLUMN;
      // Lanes of this row whose keys the query sees.
      const seen = query < queries ? (causal ? min(max(query + offset + 1 - start, 0), LANES) : LANES) : 0;
      if (seen > 0) {
        const l = f32x4.splat(settledLse(load<f32>(lse + (query << 2))));
        const delta = f32x4.splat(load<f32>(deltas + (query << 2)));
        for (let i: usize = 0; i < COLUMN; i += 16) slopes(p + i, ds + i, l, delta);
      }
      memory.fill(p + (seen << 2), 0, (LANES - seen) << 2);
      memory.fill(ds + (seen << 2), 0, (LANES - seen) << 2);
    }
    addProducts(slopesOf, rows, queryPanels + (<usize>first) * panelRowBytes, panelCount, lanes, keySums);
    addProducts(scores, rows, flowingPanels + (<usize>first) * panelRowBytes, panelCount, lanes, valueSums);
  }
  const ofKey = keyRows(args, <usize>load<u32>(args, KEY_GRADIENT), batchHead);
  const ofValue = keyRows(args, <usize>load<u32>(args, VALUE_GRADIENT), batchHead);
  for (let lane = 0; lane < lanes; lane++) {
    const key = start + lane;
    const to = (<usize>key) * token;
    if (keyAt(args, batchHead, key) < 0) {
      memory.fill(ofKey + to, 0, bytes);
      memory.fill(ofValue + to, 0, bytes);
    } else {
      writeRow(keySums + (<usize>lane) * panelRowBytes, ofKey + to, bytes, scale);
      writeRow(valueSums + (<usize>lane) * panelRowBytes, ofValue + to, bytes, 1);
    }
  }
}
