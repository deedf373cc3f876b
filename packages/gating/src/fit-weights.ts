// Fitting the gate spaces of a layer's heads to its weights alone, for when there is no text to look at.

import { breather, FlashMLAError, formatShape, type Tensor } from '@flashmla/tensor';
import type { FitOptions } from './fit-samples.ts';
import { type GateSpace, type HeadMaps, joinHeads } from './gate-space.ts';
import { solveHead } from './head-solution.ts';
import { MomentSum } from './moments.ts';
import { rankBySpectrum, widestRank } from './rank-choice.ts';

/** Weights as Hugging Face stores them, f32 and readable (not uploaded as linear weights). */
export interface FitWeights {
  /** [heads · headDim, modelDim] */
  queryWeight: Tensor;
  /** [heads · headDim] */
  queryBias?: Tensor | undefined;
  /** [heads · headDim, modelDim] */
  keyWeight: Tensor;
  /** [heads · headDim]; it moves all logits of a row alike, so that it changes nothing. */
  keyBias?: Tensor | undefined;
  /** γ of the LayerNorm that the layer's input comes from, [modelDim]; default 1. */
  inputNormWeight?: Tensor | undefined;
  /** β, the same; default 0. */
  inputNormBias?: Tensor | undefined;
  heads: number;
}

/**
 * The gate space that serves inputs x straight out of a LayerNorm best: x has about mean β and covariance diag(γ²), so
 * that C_q = W_q·diag(γ²)·W_qᵀ + (W_q·β + b)(W_q·β + b)ᵀ and C_k = W_k·diag(γ²)·W_kᵀ. Ranks by `rankBySpectrum`.
 */
export async function fitWeights(weights: FitWeights, { rank, signal }: FitOptions): Promise<GateSpace> {
  const { heads } = weights;
  const [features, modelDim] = weights.queryWeight.shape;
  const headDim = features / heads;
  if (!Number.isSafeInteger(headDim)) {
    throw new FlashMLAError(
      'invalid-argument',
      `[gating] content: queryWeight is ${formatShape(weights.queryWeight.shape)}, which ${heads} heads do not share evenly; ` +
        'expected [heads · headDim, modelDim].',
    );
  }
  const queryWeight = await read(weights.queryWeight, 'queryWeight', [features, modelDim]);
  const keyWeight = await read(weights.keyWeight, 'keyWeight', [features, modelDim]);
  const queryBias = await readOr(0, weights.queryBias, 'queryBias', features);
  const gamma = await readOr(1, weights.inputNormWeight, 'inputNormWeight', modelDim);
  const beta = await readOr(0, weights.inputNormBias, 'inputNormBias', modelDim);

  /** [modelDim, headDim]: column m of a head's weight times γ_m, so that Σ x·xᵀ over the rows is W·diag(γ²)·Wᵀ. */
  const spread = (weight: Float32Array, head: number) => {
    const rows = new Float64Array(modelDim * headDim);
    for (let d = 0; d < headDim; d++) {
      const start = (head * headDim + d) * modelDim;
      for (let m = 0; m < modelDim; m++) rows[m * headDim + d] = weight[start + m] * gamma[m];
    }
    return rows;
  };
  const meanQuery = (head: number) =>
    Float64Array.from({ length: headDim }, (_, d) => {
      const row = head * headDim + d;
      return beta.reduce((dot, value, m) => dot + queryWeight[row * modelDim + m] * value, queryBias[row]);
    });

  const breathe = breather(signal);
  const fitted: HeadMaps[] = [];
  for (let head = 0; head < heads; head++) {
    const query = new MomentSum(headDim);
    query.add(spread(queryWeight, head));
    query.add(meanQuery(head));
    await breathe();
    const key = new MomentSum(headDim);
    key.add(spread(keyWeight, head));
    await breathe();
    const moments = { query: query.matrix(1), key: key.matrix(1) };
    const solution = await solveHead(moments, Math.min(rank ?? widestRank(headDim), headDim), breathe);
    fitted.push({ ...solution, rank: rank === undefined ? rankBySpectrum(solution, headDim) : solution.width });
    await breathe();
  }
  return joinHeads(headDim, fitted);
}

async function readOr(value: number, source: Tensor | undefined, name: string, length: number): Promise<Float32Array> {
  return source ? read(source, name, [length]) : new Float32Array(length).fill(value);
}

async function read(source: Tensor, name: string, shape: readonly number[]): Promise<Float32Array> {
  if (source.dtype !== 'float32' || formatShape(source.shape) !== formatShape(shape)) {
    throw new FlashMLAError(
      'invalid-argument',
      `[gating] content: ${name} is ${source.dtype} ${formatShape(source.shape)}; expected float32 ${formatShape(shape)}.`,
    );
  }
  return (await source.data()) as Float32Array;
}
