// Fitting a gate space: against an SVD written down plainly, ranks, what it refuses, what it keeps.

import { tensor } from '@flashmla/tensor';
import { Matrix } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import { ContentGate, type ContentGateState } from '../src/index.ts';
import { gateSpace, type Rows } from './content-gate-reference.ts';
import { clustered, normalSource, sampleOf } from './data.ts';

/** A sample of one head from rows of queries and keys. */
const sample = (queries: Rows, keys: Rows) => ({
  query: Float32Array.from(queries.flat()),
  key: Float32Array.from(keys.flat()),
  tokens: keys.length,
});

function gaussianRows(count: number, headDim: number, seed: number): Rows {
  const normal = normalSource(seed);
  return Array.from({ length: count }, () => Array.from({ length: headDim }, normal));
}

/** A·Bᵀ of one head: the estimate itself, free of the signs of columns. */
function estimate({ queryMap, keyMap }: ContentGateState, head: number): number[][] {
  const [, headDim, rank] = queryMap.shape;
  const of = (map: typeof queryMap) =>
    new Matrix(
      Array.from({ length: headDim }, (_, row) => {
        const start = (head * headDim + row) * rank;
        return [...(map.array as Float32Array).subarray(start, start + rank)];
      }),
    );
  return of(queryMap).mmul(of(keyMap).transpose()).to2DArray();
}

const largestDifference = (a: number[][], b: number[][]) =>
  Math.max(...a.flatMap((row, i) => row.map((value, j) => Math.abs(value - b[i][j]))));

describe('fit', () => {
  it('gives the maps of the SVD of C_q^½·C_k^½', async () => {
    const headDim = 12;
    const mixing = gaussianRows(headDim, headDim, 1);
    const mix = (rows: Rows) => new Matrix(rows).mmul(new Matrix(mixing)).to2DArray();
    const texts = [2, 3].map((seed) => ({
      queries: mix(gaussianRows(200, headDim, seed)),
      // Each text has a mean of its own, which must not count.
      keys: gaussianRows(200, headDim, seed + 10).map((row) => row.map((value) => value + 5 * seed)),
    }));
    const gate = new ContentGate({ rank: 4 });
    await gate.fit(
      texts.map(({ queries, keys }) => sample(queries, keys)),
      { heads: 1, headDim },
    );
    const { A, B } = gateSpace(
      texts.map(({ queries }) => queries),
      texts.map(({ keys }) => keys),
      4,
    );
    const expected = A.mmul(B.transpose()).to2DArray();
    expect(largestDifference(estimate(gate.state(), 0), expected)).toBeLessThan(1e-5);
  });

  it('finds how many dimensions a head needs, and pads the maps to the widest', async () => {
    const headDim = 32;
    const tokens = 300;
    // Head 0: keys differ in 3 dimensions. Head 1: unlike keys, each query looks for one of them.
    const flat = gaussianRows(tokens, 3, 1).map((row) => [...row, ...new Array<number>(headDim - 3).fill(0)]);
    const unlike = gaussianRows(tokens, headDim, 2);
    const queries: Rows = [];
    const keys: Rows = [];
    for (let token = 0; token < tokens; token++) {
      queries.push([...gaussianRows(1, headDim, 100 + token)[0], ...unlike[token].map((value) => 2 * value)]);
      keys.push([...flat[token], ...unlike[token]]);
    }
    const gate = new ContentGate({ k: 8 });
    expect(gate.fitted).toBe(false);
    expect(gate.needsFit).toBe(true);
    await gate.fit([sample(queries, keys)], { heads: 2, headDim });
    expect(gate.fitted).toBe(true);
    expect(gate.ranks[0]).toBe(8);
    expect(gate.ranks[1]).toBeGreaterThanOrEqual(16);
    const { queryMap, ranks } = gate.state();
    const rank = Math.max(...ranks);
    expect(queryMap.shape).toEqual([2, headDim, rank]);
    const unused = [...queryMap.array].slice(0, headDim * rank).filter((_, i) => i % rank >= 8);
    expect(unused.every((value) => value === 0)).toBe(true);
  });

  it('judges a sample of the keys as the whole text', async () => {
    // Each query looks for one of many unlike keys: among 8 times as many it takes more dimensions to find it.
    const headDim = 32;
    const rows = gaussianRows(250, headDim, 5);
    const sharp = rows.map((row) => row.map((value) => 2 * value));
    const ranks = async (sampledFrom: number) => {
      const gate = new ContentGate({ k: 32 });
      await gate.fit([{ ...sample(sharp, rows), sampledFrom }], { heads: 1, headDim });
      return gate.ranks[0];
    };
    expect(await ranks(2000)).toBeGreaterThan(await ranks(250));
  });

  it('rounds a fixed rank up to what kernels take, and never past headDim', async () => {
    const texts = [sampleOf(clustered({ batch: 1, heads: 2, tokens: 60, headDim: 8 }, 1))];
    const gate = new ContentGate({ rank: 5 });
    await gate.fit(texts, { heads: 2, headDim: 8 });
    expect(gate.ranks).toEqual([5, 5]);
    expect(gate.state().keyMap.shape).toEqual([2, 8, 8]);
    const wide = new ContentGate({ rank: 32 });
    await wide.fit(texts, { heads: 2, headDim: 8 });
    expect(wide.ranks).toEqual([8, 8]);
  });

  it('stands queries and keys that do not vary', async () => {
    const gate = new ContentGate();
    const constant = Array.from({ length: 20 }, () => new Array<number>(8).fill(1));
    const zero = constant.map((row) => row.map(() => 0));
    for (const [queries, keys] of [
      [constant, constant],
      [zero, zero],
    ]) {
      await gate.fit([sample(queries, keys)], { heads: 1, headDim: 8 });
      expect([...gate.state().queryMap.array, ...gate.state().keyMap.array].every(Number.isFinite)).toBe(true);
    }
  });

  it('refuses samples that are missing, misshapen or not finite', async () => {
    const gate = new ContentGate();
    const sizes = { heads: 1, headDim: 4 };
    await expect(gate.fit([], sizes)).rejects.toThrow('no samples to fit on');
    const short = { query: new Float32Array(8), key: new Float32Array(7), tokens: 2 };
    await expect(gate.fit([short], sizes)).rejects.toThrow(
      '8 query and 7 key values for 2 tokens; expected [tokens, 1, 4]',
    );
    const broken = { query: new Float32Array(8).fill(Number.NaN), key: new Float32Array(8), tokens: 2 };
    await expect(gate.fit([broken], sizes)).rejects.toThrow('NaN or infinity');
    expect(gate.fitted).toBe(false);
  });

  it('stops when asked to', async () => {
    const texts = [sampleOf(clustered({ batch: 1, heads: 2, tokens: 60, headDim: 8 }, 1))];
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(new ContentGate().fit(texts, { heads: 2, headDim: 8 }, { signal })).rejects.toThrow('enough');
  });
});

describe('fitFromWeights', () => {
  const heads = 2;
  const headDim = 8;
  const modelDim = 24;
  const normal = normalSource(4);
  const weight = () =>
    tensor(Float32Array.from({ length: heads * headDim * modelDim }, normal), [heads * headDim, modelDim]);
  const vector = (length: number, of: () => number) => tensor(Float32Array.from({ length }, of), [length]);
  const weights = {
    queryWeight: weight(),
    queryBias: vector(heads * headDim, normal),
    keyWeight: weight(),
    keyBias: vector(heads * headDim, normal),
    inputNormWeight: vector(modelDim, () => 0.5 + Math.abs(normal())),
    inputNormBias: vector(modelDim, normal),
    heads,
  };

  it('agrees with a fit on many inputs of the distribution it assumes', async () => {
    const tokens = 20000;
    const projectAll = (matrix: typeof weights.queryWeight, bias: typeof weights.queryBias, hidden: Rows) =>
      Float32Array.from(
        new Matrix(hidden)
          .mmul(
            new Matrix(
              Array.from(
                { length: heads * headDim },
                (_, row) => [...matrix.array.slice(row * modelDim, (row + 1) * modelDim)] as number[],
              ),
            ).transpose(),
          )
          .addRowVector([...bias.array] as number[])
          .to1DArray(),
      );
    const [gamma, beta] = [weights.inputNormWeight.array, weights.inputNormBias.array];
    const hidden = gaussianRows(tokens, modelDim, 6).map((row) =>
      row.map((value, i) => value * Number(gamma[i]) + Number(beta[i])),
    );
    const query = projectAll(weights.queryWeight, weights.queryBias, hidden);
    const key = projectAll(weights.keyWeight, weights.keyBias, hidden);
    const [sampled, derived] = [new ContentGate({ rank: 4 }), new ContentGate({ rank: 4 })];
    await sampled.fit([{ query, key, tokens }], { heads, headDim });
    await derived.fitFromWeights(weights);
    for (let head = 0; head < heads; head++) {
      const [a, b] = [estimate(derived.state(), head), estimate(sampled.state(), head)];
      expect(largestDifference(a, b)).toBeLessThan(0.05);
    }
  }, 20000);

  it('takes 8 dimensions where they explain half of the logits, more where they do not', async () => {
    const identity = (columns: number) => {
      const values = new Float32Array(64 * 64);
      for (let i = 0; i < 64; i++) values[i * 64 + i] = i < columns ? 1 : 0.01;
      return tensor(values, [64, 64]);
    };
    const ranks = async (columns: number) => {
      const gate = new ContentGate();
      await gate.fitFromWeights({ queryWeight: identity(columns), keyWeight: identity(columns), heads: 1 });
      return gate.ranks[0];
    };
    expect(await ranks(8)).toBe(8);
    expect(await ranks(20)).toBe(16);
    expect(await ranks(64)).toBe(32);
  });

  it('names the weight that does not fit', async () => {
    const gate = new ContentGate();
    await expect(gate.fitFromWeights({ ...weights, heads: 3 })).rejects.toThrow('which 3 heads do not share evenly');
    await expect(gate.fitFromWeights({ ...weights, inputNormBias: vector(5, normal) })).rejects.toThrow(
      'inputNormBias is float32 [5]; expected float32 [24]',
    );
  });
});

describe('state', () => {
  it('travels to another gate', async () => {
    const gate = new ContentGate();
    expect(() => gate.state()).toThrow('fit the gate first');
    await gate.fit([sampleOf(clustered({ batch: 1, heads: 2, tokens: 60, headDim: 8 }, 1))], { heads: 2, headDim: 8 });
    const copy = new ContentGate();
    copy.load(gate.state());
    expect(copy.fitted).toBe(true);
    expect(copy.state()).toEqual(gate.state());
  });

  it('is checked when it is loaded', () => {
    const map = (...shape: number[]) => tensor(new Float32Array(shape.reduce((a, b) => a * b)), shape);
    const gate = new ContentGate();
    expect(() => gate.load({ gate: 'content', queryMap: map(2, 8, 4), keyMap: map(2, 8, 8), ranks: [4, 4] })).toThrow(
      'expected float32 [heads, headDim, rank] for both',
    );
    expect(() => gate.load({ gate: 'content', queryMap: map(2, 8, 4), keyMap: map(2, 8, 4), ranks: [4, 5] })).toThrow(
      'expected 2 whole numbers from 1 to 4',
    );
  });
});
