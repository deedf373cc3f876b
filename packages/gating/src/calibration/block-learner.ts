// Learning a BlockGate's head: W_q, W_k and the bias by distance, from dense attention pooled over blocks as SeerAttention
// (arXiv 2410.13276) pools it: the largest of each block, then normalised.

import { type Backend, ceilDivide, execute, tensor } from '@flashmla/tensor';
import { forcedBlocks } from '../forced-blocks.ts';
import { massOfTop } from '../mass-of-top.ts';
import { addTransposedProduct, product, productOfTransposed, rowsAt, softmaxRows } from '../matrix.ts';
import { attentionRows, type HeadInputs } from './attention-rows.ts';
import { divergence, type HeadLearner, range } from './head-learner.ts';

export interface BlockExample {
  /** The mean query of each tile, [blocks, headDim]. */
  readonly tiles: Float64Array;
  /** The largest, the least and the mean key of each block, [blocks, 3 · headDim]. */
  readonly blocks: Float64Array;
  /** Pooled dense attention, each row of sum 1, [blocks, blocks]. */
  readonly pooled: Float64Array;
  /** Dense attention on each block, mean over a tile's queries, [blocks, blocks]. */
  readonly mass: Float64Array;
  /** Blocks that a list holds. */
  readonly slots: number;
}

export async function blockExample(
  backend: Backend,
  inputs: HeadInputs,
  block: number,
  slots: number,
): Promise<BlockExample> {
  const { queries, keys, headDim } = inputs;
  const tokens = keys.length / headDim;
  const count = ceilDivide(tokens, block);
  const pooled = new Float64Array(count * count);
  const mass = new Float64Array(count * count);
  let query = 0;
  for await (const slice of attentionRows(backend, inputs, range(tokens))) {
    for (let start = 0; start < slice.length; start += tokens, query++) {
      const tile = Math.floor(query / block);
      const tileQueries = Math.min(block, tokens - tile * block);
      for (let key = 0; key < tokens; key++) {
        const at = tile * count + Math.floor(key / block);
        pooled[at] = Math.max(pooled[at], slice[start + key]);
        mass[at] += slice[start + key] / tileQueries;
      }
    }
  }
  for (let start = 0; start < pooled.length; start += count) {
    const row = pooled.subarray(start, start + count);
    const sum = row.reduce((total, value) => total + value, 0);
    for (let i = 0; i < count; i++) row[i] /= sum;
  }
  return {
    tiles: await pool(backend, queries, headDim, block, 'mean'),
    blocks: await pool(backend, keys, headDim, block, 'max-min-mean'),
    pooled,
    mass,
    slots,
  };
}

export class BlockLearner implements HeadLearner<BlockExample> {
  readonly start: Float64Array;
  readonly #headDim: number;
  readonly #rank: number;
  readonly #span: number;

  /** @param start W_q [headDim, rank], W_k [3 · headDim, rank], then the bias [2 · span + 1] */
  constructor(start: Float64Array, headDim: number, rank: number) {
    this.start = start;
    this.#headDim = headDim;
    this.#rank = rank;
    this.#span = (start.length - 4 * headDim * rank - 1) / 2;
  }

  rowsOf({ tiles }: BlockExample): number {
    return tiles.length / this.#headDim;
  }

  loss(parameters: Float64Array, example: BlockExample, rows: readonly number[], gradient?: Float64Array): number {
    const { blocks } = example;
    const count = this.rowsOf(example);
    const tiles = rowsAt(example.tiles, this.#headDim, rows);
    const target = rowsAt(example.pooled, count, rows);
    const { tileFeatures, blockFeatures, scores } = this.#scores(parameters, tiles, blocks, rows);
    const estimate = softmaxRows(scores, count);
    const loss = divergence(target, estimate) / rows.length;
    if (gradient) {
      const byScore = estimate.map((value, i) => (value - target[i]) / rows.length);
      const byTile = product(byScore, blockFeatures, count);
      const byBlock = new Float64Array(blockFeatures.length);
      addTransposedProduct(byBlock, byScore, tileFeatures, count);
      const { query, key, bias } = this.#parts(gradient);
      addTransposedProduct(query, tiles, byTile, this.#headDim);
      addTransposedProduct(key, blocks, byBlock, 3 * this.#headDim);
      for (const [i, row] of rows.entries()) {
        for (let block = 0; block < count; block++) bias[this.#distance(block - row)] += byScore[i * count + block];
      }
    }
    return loss;
  }

  recall(parameters: Float64Array, { tiles, blocks, mass, slots }: BlockExample): number {
    const count = tiles.length / this.#headDim;
    const { scores } = this.#scores(parameters, tiles, blocks, range(count));
    const { forceFirst, forceDiagonal } = forcedBlocks(slots);
    let found = 0;
    for (let tile = 0; tile < count; tile++) {
      const row = scores.subarray(tile * count, (tile + 1) * count);
      row.fill(Number.POSITIVE_INFINITY, 0, forceFirst);
      row.fill(Number.POSITIVE_INFINITY, Math.max(0, tile - forceDiagonal + 1), tile + forceDiagonal);
      found += massOfTop(row, mass.subarray(tile * count, (tile + 1) * count), slots);
    }
    return found / count;
  }

  /** Scores of the tiles numbered `rows` against all blocks. */
  #scores(parameters: Float64Array, tiles: Float64Array, blocks: Float64Array, rows: readonly number[]) {
    const { query, key, bias } = this.#parts(parameters);
    const tileFeatures = product(tiles, query, this.#headDim);
    const blockFeatures = product(blocks, key, 3 * this.#headDim);
    const scores = productOfTransposed(tileFeatures, blockFeatures, this.#rank);
    const count = blocks.length / (3 * this.#headDim);
    for (const [i, row] of rows.entries()) {
      for (let block = 0; block < count; block++) scores[i * count + block] += bias[this.#distance(block - row)];
    }
    return { tileFeatures, blockFeatures, scores };
  }

  #parts(parameters: Float64Array) {
    const query = this.#headDim * this.#rank;
    return {
      query: parameters.subarray(0, query),
      key: parameters.subarray(query, 4 * query),
      bias: parameters.subarray(4 * query),
    };
  }

  /** Where the bias of a distance in blocks lies; those beyond the span share the last. */
  #distance(distance: number): number {
    return Math.min(Math.max(distance, -this.#span), this.#span) + this.#span;
  }
}

/** Statistics of blocks of tokens as the gate itself takes them. */
async function pool(
  backend: Backend,
  values: Float32Array,
  headDim: number,
  block: number,
  statistics: 'mean' | 'max-min-mean',
): Promise<Float64Array> {
  const tokens = values.length / headDim;
  const input = backend.upload(tensor(values, [1, 1, tokens, headDim]));
  const { pooled, present } = await execute(
    backend,
    {
      ...{ op: 'block-pool', batch: 1, heads: 1, tokens, features: headDim, block, statistics },
      ...{ layout: 'heads-first', mask: false },
    },
    { input },
  );
  input.dispose();
  present.dispose();
  try {
    return Float64Array.from((await pooled.data()) as Float32Array);
  } finally {
    pooled.dispose();
  }
}
