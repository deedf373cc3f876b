// References against numbers worked out by hand.

import { describe, expect, test } from 'vitest';
import {
  float32ToFloat16,
  type Layout,
  type Problem,
  reference,
  roundingTo,
  type SelectTopKProblem,
  type SparseAttentionProblem,
} from '../src/index.ts';
import { complementaryErrorFunction } from '../src/reference/error-function.ts';

const f = (...values: number[]) => Float32Array.from(values);
const i = (...values: number[]) => Int32Array.from(values);
const roundToFloat16 = roundingTo('float16');
const u = (...values: number[]) => Uint8Array.from(values);

/** Raises unless every element is the expected one to 1e-12. */
function expectClose(actual: ArrayLike<number> | undefined, expected: readonly number[]): void {
  expect(actual).toHaveLength(expected.length);
  for (const [at, value] of expected.entries()) {
    if (Number.isFinite(value)) expect(actual![at], `element ${at}`).toBeCloseTo(value, 12);
    else expect(actual![at], `element ${at}`).toBe(value);
  }
}

describe('linear', () => {
  const problem = { op: 'linear', rows: 2, inFeatures: 3, outFeatures: 2, bias: true, activation: 'none' } as const;
  const input = f(1, 2, 3, -1, 0, 1);
  const weight = f(1, 0, -1, 2, 1, 0);

  test('input · weightᵀ + bias', () => {
    const { output } = reference(problem, { input, weight, bias: f(10, 20) });
    expectClose(output, [1 - 3 + 10, 2 + 2 + 20, -1 - 1 + 10, -2 + 20]);
    expect(output).toBeInstanceOf(Float64Array);
  });

  test.each([
    ['none', [-2, 0, 3]],
    ['relu', [0, 0, 3]],
    ['tanh', [Math.tanh(-2), 0, Math.tanh(3)]],
    // x·Φ(x) with Φ(2) = 0.9772498680518208, Φ(3) = 0.9986501019683699 from tables
    ['gelu', [-2 * (1 - 0.9772498680518208), 0, 3 * 0.9986501019683699]],
    // 0.79788… = √(2/π); x + 0.044715·x³ is −2.35772 at −2 and 4.207305 at 3.
    [
      'gelu-tanh',
      [
        -1 * (1 + Math.tanh(0.7978845608028654 * (-2 - 0.35772))),
        0,
        1.5 * (1 + Math.tanh(0.7978845608028654 * 4.207305)),
      ],
    ],
  ] as const)('%s', (activation, expected) => {
    const only = { op: 'linear', rows: 3, inFeatures: 1, outFeatures: 1, bias: false, activation } as const;
    expectClose(reference(only, { input: f(-2, 0, 3), weight: f(1) }).output, expected);
  });

  test('erfc against tabulated values, on both sides of where its formula changes', () => {
    const table = [
      [0, 1],
      [0.5, 0.4795001221869535],
      [1, 0.15729920705028513],
      [2, 0.004677734981047266],
      [2.5, 4.069520174449589e-4],
      [3, 2.209049699858544e-5],
      [5, 1.5374597944280349e-12],
      [10, 2.088487583762545e-45],
      [-1, 1.842700792949715],
    ] as const;
    for (const [x, expected] of table) {
      expect(Math.abs(complementaryErrorFunction(x) / expected - 1), `erfc(${x})`).toBeLessThan(1e-11);
    }
    expect(complementaryErrorFunction(2.5 - 1e-12)).toBeCloseTo(complementaryErrorFunction(2.5), 14);
    expect(complementaryErrorFunction(100)).toBe(0);
  });
});

test('layer-norm: biased variance, of input + residual', () => {
  const problem = { op: 'layer-norm', rows: 2, modelDim: 4, epsilon: 0, residual: true } as const;
  const { output } = reference(problem, {
    input: f(1, 1, 1, 1, 0, 0, 0, 8),
    residual: f(0, 2, 0, 2, 0, 0, 0, 0),
    weight: f(1, 1, 2, 2),
    bias: f(0, 0, 0, 1),
  });
  const third = Math.sqrt(3);
  expectClose(output, [-1, 1, -2, 3, -1 / third, -1 / third, -2 / third, 2 * third + 1]);
});

test('embedding: three tables, and NaN for an id outside its table', () => {
  const problem = { op: 'embedding', rows: 3, modelDim: 2, vocabulary: 3, positions: 2, types: 1 } as const;
  const { output } = reference(problem, {
    tokenIds: i(2, 0, 3),
    word: f(1, 2, 3, 4, 5, 6),
    positionIds: i(1, -1, 0),
    position: f(10, 20, 30, 40),
    typeIds: i(0, 0, 0),
    type: f(100, 200),
  });
  expectClose(output, [135, 246, Number.NaN, Number.NaN, Number.NaN, Number.NaN]);
});

const attention = { batch: 1, heads: 1, queries: 2, keys: 3, headDim: 1, layout: 'heads-first' as Layout, scale: 1 };
const ln = Math.log;

describe('dense-attention', () => {
  // Keys whose exponentials are 1, 2 and 5 for query 1, and their inverses for query −1.
  const inputs = { query: f(1, -1), key: Float64Array.of(0, ln(2), ln(5)), value: f(10, 20, 50) };

  test('softmax and lse', () => {
    const { output, lse } = reference({ op: 'dense-attention', ...attention, mask: false, causal: false }, inputs);
    expectClose(output, [(10 + 40 + 250) / 8, (10 + 10 + 10) / 1.7]);
    expectClose(lse, [ln(8), ln(1.7)]);
  });

  test('causal: the last query sees the last key', () => {
    const { output, lse } = reference({ op: 'dense-attention', ...attention, mask: false, causal: true }, inputs);
    expectClose(output, [50 / 3, 30 / 1.7]);
    expectClose(lse, [ln(3), ln(1.7)]);
  });

  test('causal with more queries than keys: the first see none', () => {
    const problem = { op: 'dense-attention', ...attention, queries: 2, keys: 1, mask: false, causal: true } as const;
    const { output, lse } = reference(problem, { query: f(1, 1), key: f(0), value: f(7) });
    expectClose(output, [0, 7]);
    expectClose(lse, [Number.NEGATIVE_INFINITY, 0]);
  });

  test('what is masked may be NaN', () => {
    const problem = { op: 'dense-attention', ...attention, mask: true, causal: false } as const;
    const key = Float64Array.of(0, Number.NaN, ln(5));
    const { output, lse } = reference(problem, { ...inputs, key, value: f(10, Number.NaN, 50), keyMask: u(1, 0, 1) });
    expectClose(output, [260 / 6, 20 / 1.2]);
    expectClose(lse, [ln(6), ln(1.2)]);
    const none = reference(problem, { ...inputs, keyMask: u(0, 0, 0) });
    expectClose(none.output, [0, 0]);
    expectClose(none.lse, [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY]);
  });

  test('tokens first', () => {
    const problem = {
      op: 'dense-attention' as const,
      ...attention,
      heads: 2,
      queries: 2,
      keys: 2,
      layout: 'tokens-first' as const,
      mask: false,
      causal: false,
    };
    // Head 0 holds the even elements, head 1 the odd ones.
    const { output, lse } = reference(problem, { query: f(0, 0, 0, 0), key: f(1, 2, 3, 4), value: f(1, 10, 3, 30) });
    expectClose(output, [2, 20, 2, 20]);
    expectClose(lse, [ln(2), ln(2), ln(2), ln(2)]);
  });
});

describe('sparse-attention', () => {
  // Exponentials of the keys: 1, 2, 3, 4, 5.
  const inputs = { query: f(1, 1, 1), key: Float64Array.of(0, ln(2), ln(3), ln(4), ln(5)), value: f(1, 2, 3, 4, 5) };
  const sparse = (own: Partial<SparseAttentionProblem>): SparseAttentionProblem => ({
    op: 'sparse-attention',
    ...attention,
    queries: 3,
    keys: 5,
    mask: false,
    causal: false,
    tileQueries: 1,
    blockKeys: 1,
    slots: 2,
    keyOrder: false,
    queryOrder: false,
    residualGroup: 0,
    ...own,
  });

  test('a list for each query; garbage, repeats and empty lists', () => {
    const indices = i(1, 3, /* one valid */ 4, -(2 ** 31), /* none */ 5, 2 ** 31 - 1);
    const { output, lse } = reference(sparse({}), { ...inputs, indices });
    expectClose(output, [(4 + 16) / 6, 5, 0]);
    expectClose(lse, [ln(6), ln(5), Number.NEGATIVE_INFINITY]);
    expectClose(reference(sparse({}), { ...inputs, indices: i(2, 2, 2, 2, 2, 2) }).lse, [ln(3), ln(3), ln(3)]);
  });

  test('tiles and blocks, in the orders given', () => {
    const problem = sparse({ tileQueries: 2, blockKeys: 2, slots: 1, keyOrder: true, queryOrder: true });
    const orders = { keyOrder: i(4, 0, 3, 1, 2), queryOrder: i(2, 0, 1) };
    // Tile 0 (queries 2 and 0) has block 0 (keys 4 and 0); tile 1 (query 1) has block 2 (key 2 alone).
    const { output, lse } = reference(problem, { ...inputs, ...orders, indices: i(0, 2) });
    expectClose(output, [26 / 6, 3, 26 / 6]);
    expectClose(lse, [ln(6), ln(3), ln(6)]);
  });

  test('a residual group stands for its keys that were not selected', () => {
    const problem = sparse({ tileQueries: 3, slots: 1, residualGroup: 4 });
    const { output, lse } = reference(problem, { ...inputs, indices: i(1) });
    // Group 0 without key 1: the mean of ln 1, ln 3, ln 4, three times; group 1: key 4 alone.
    const group = 3 * Math.cbrt(12);
    const sum = 2 + group + 5;
    expectClose([output![0]!, lse![0]!], [(2 * 2 + group * (8 / 3) + 5 * 5) / sum, ln(sum)]);
  });

  test('masked keys belong to no group, and a group all selected or masked is gone', () => {
    const problem = sparse({ tileQueries: 3, slots: 2, residualGroup: 2, mask: true });
    const key = Float64Array.of(0, ln(2), Number.NaN, ln(4), Number.NaN);
    const value = f(1, 2, Number.NaN, 4, Number.NaN);
    const given = { ...inputs, key, value, keyMask: u(1, 1, 0, 1, 0), indices: i(0, 1) };
    // Selected: keys 0 and 1. Group 1 is key 3 alone; group 2 is masked.
    const { output, lse } = reference(problem, given);
    expectClose([output![0]!, lse![0]!], [(1 + 4 + 16) / 7, ln(7)]);
  });

  test('refuses causal with a residual', () => {
    const problem = sparse({ causal: true, residualGroup: 2 });
    expect(() => reference(problem, { ...inputs, indices: i(0, 1, 2, 3, 4, 0) })).toThrow(
      'causal with residual groups',
    );
  });
});

test('gate-projection: each head has its own map', () => {
  const problem = {
    op: 'gate-projection' as const,
    batch: 1,
    heads: 2,
    tokens: 2,
    features: 2,
    rank: 1,
    layout: 'tokens-first' as const,
  };
  const { output } = reference(problem, { input: f(1, 2, 3, 4, 5, 6, 7, 8), map: f(1, 10, 100, 1000) });
  expectClose(output, [21, 65, 4300, 8700]);
});

describe('content-order', () => {
  const problem = { op: 'content-order', batch: 1, heads: 1, tokens: 6, rank: 2, leaf: 2, mask: false } as const;

  test('splits the dimension of largest variance, at a multiple of the leaf, leaves ascending', () => {
    // Dimension 1 is wider: sorted there 4 2 | 5 1 3 0 (⌈⌊6/2⌋/2⌉·2 = 4 go left); the left four are split at 2.
    const points = f(0, 9, 0, 5, 1, 1, 0, 8, 1, 0, 0, 3);
    expect(reference(problem, { points }).order).toEqual(i(2, 4, 1, 5, 0, 3));
  });

  test('equal points keep token order; absent tokens come last', () => {
    expect(reference(problem, { points: new Float32Array(12) }).order).toEqual(i(0, 1, 2, 3, 4, 5));
    const masked = reference(
      { ...problem, mask: true, leaf: 1 },
      { points: f(3, 0, Number.NaN, 0, 1, 0, 2, 0, Number.NaN, 0, 0, 0), mask: u(1, 0, 1, 1, 0, 1) },
    );
    expect(masked.order).toEqual(i(5, 2, 3, 0, 1, 4));
  });
});

describe('select-top-k', () => {
  const select = (own: Partial<SelectTopKProblem>): SelectTopKProblem => ({
    op: 'select-top-k',
    batch: 1,
    heads: 1,
    queries: 2,
    keys: 6,
    rank: 1,
    tileQueries: 1,
    blockKeys: 1,
    slots: 3,
    headSlots: false,
    keyOrder: false,
    queryOrder: false,
    mask: false,
    causal: false,
    forceFirst: 0,
    forceDiagonal: 0,
    biasSpan: -1,
    coarseBlocks: 0,
    coarseSlots: 0,
    ...own,
  });
  const query = f(1, -1);
  const key = f(5, 1, 4, 4, 0, 6);

  test('the best scores, ascending; the smaller number among equals', () => {
    expect(reference(select({}), { query, key }).indices).toEqual(i(0, 2, 5, 1, 2, 4));
    expect(reference(select({ slots: 7 }), { query, key }).indices).toEqual(
      i(0, 1, 2, 3, 4, 5, -1, 0, 1, 2, 3, 4, 5, -1),
    );
  });

  test('a head fills as many of its slots as it has: at least one, at most all', () => {
    const problem = select({ heads: 3, queries: 1, headSlots: true });
    const inputs = { query: f(1, 1, 1), key: f(...key, ...key, ...key), headSlots: i(2, 0, 9) };
    expect(reference(problem, inputs).indices).toEqual(i(0, 5, -1, 5, -1, -1, 0, 2, 5));
  });

  test('means of tiles and blocks, cut in the orders, over what is present', () => {
    const problem = select({ tileQueries: 2, blockKeys: 2, slots: 2, keyOrder: true, queryOrder: true, mask: true });
    const indices = reference(problem, {
      query: f(Number.NaN, 3),
      queryOrder: i(1, 0),
      queryMask: u(0, 1),
      // Blocks: (5, 1) = 3; (4, masked) = 4; both masked.
      key: f(5, 1, 4, Number.NaN, 9, 9),
      keyOrder: i(0, 1, 3, 2, 4, 5),
      keyMask: u(1, 1, 1, 0, 0, 0),
    }).indices;
    expect(indices).toEqual(i(0, 1));
  });

  test('forced blocks come first, also before better ones', () => {
    expect(reference(select({ forceFirst: 2, slots: 3 }), { query, key }).indices).toEqual(i(0, 1, 5, 0, 1, 4));
    expect(reference(select({ forceDiagonal: 2, slots: 3 }), { query, key }).indices).toEqual(i(0, 1, 5, 0, 1, 2));
    expect(reference(select({ forceFirst: 4, slots: 3 }), { query, key }).indices).toEqual(i(0, 1, 2, 0, 1, 2));
  });

  test('causal, and a relative bias', () => {
    const square = { queries: 3, keys: 3, slots: 2 };
    const inputs = { query: f(1, 1, 1), key: f(1, 2, 3) };
    expect(reference(select({ ...square, causal: true }), inputs).indices).toEqual(i(0, -1, 0, 1, 1, 2));
    const relativeBias = f(9, 0, 0); // for blocks before the tile's own number, at it, after it
    expect(reference(select({ ...square, slots: 1, biasSpan: 1 }), { ...inputs, relativeBias }).indices).toEqual(
      i(2, 0, 1),
    );
  });

  test('two levels: only the best groups are looked into', () => {
    // Groups (5, 1), (4, 4), (0, 6) have means 3, 4, 3: the best key of query 1 is in a group that is not among the best.
    const problem = select({ queries: 1, slots: 3, coarseBlocks: 2, coarseSlots: 1 });
    expect(reference(problem, { query: f(1), key }).indices).toEqual(i(2, 3, -1));
    expect(reference({ ...problem, coarseSlots: 2 }, { query: f(1), key }).indices).toEqual(i(0, 2, 3));
    expect(reference({ ...problem, forceFirst: 1 }, { query: f(1), key }).indices).toEqual(i(0, 2, 3));
  });
});

test('select-slots: a query lists what its best slot keeps', () => {
  const problem = { op: 'select-slots', batch: 1, heads: 1, tokens: 4, slotCount: 2, slots: 2, mask: true } as const;
  const { indices } = reference(problem, { scores: f(1, 0, 5, 9, 1, 0, 3, 3), mask: u(1, 1, 1, 0) });
  // Slot 0 keeps tokens 1 and 0 (before 2, which scores the same); slot 1 tokens 1 and 0. Token 3 is absent, but asks.
  expect(indices).toEqual(i(0, 1, 0, 1, 0, 1, 0, 1));
  const unmasked = reference({ ...problem, mask: false }, { scores: f(1, 0, 5, 9, 1, 0, 3, 3) });
  expect(unmasked.indices).toEqual(i(1, 3, 1, 3, 1, 3, 1, 3));
});

test('block-pool: maximum, minimum, mean over what is present', () => {
  const problem = {
    op: 'block-pool' as const,
    batch: 1,
    heads: 1,
    tokens: 5,
    features: 1,
    block: 2,
    mask: true,
    statistics: 'max-min-mean' as const,
    layout: 'heads-first' as const,
  };
  const given = { input: f(-4, -2, 7, 9, Number.NaN), mask: u(1, 1, 0, 1, 0) };
  const { pooled, present } = reference(problem, given);
  expectClose(pooled, [-2, -4, -3, 9, 9, 9, 0, 0, 0]);
  expect(present).toEqual(u(1, 1, 0));
  expectClose(reference({ ...problem, statistics: 'mean' }, given).pooled, [-3, 9, 0]);
});

describe('stored: what a plain computation in half precision makes of it', () => {
  const half = (values: Float32Array) => float32ToFloat16(values);

  test('linear rounds the product, the sum with the bias, and the activation', () => {
    const problem: Problem = {
      ...{ op: 'linear', rows: 1, inFeatures: 1, outFeatures: 1, bias: true, activation: 'none' },
      dtype: 'float16',
    };
    // In steps of 2 above 2048: 2049 → 2048, 2048 + 1 → 2048.
    const given = { input: half(f(683)), weight: half(f(3)), bias: half(f(1)) };
    expectClose(reference(problem, given).output, [2050]);
    expectClose(reference(problem, given, roundToFloat16).output, [2048]);
  });

  test('attention rounds logits, weights and the output', () => {
    const problem: Problem = {
      ...{ op: 'dense-attention', batch: 1, heads: 1, queries: 1, keys: 2, headDim: 1, layout: 'heads-first' },
      ...{ scale: 1, mask: false, causal: false, dtype: 'float16' },
    };
    const given = { query: f(3), key: f(683, 683.5), value: f(0, 1) };
    expectClose(reference(problem, given).output, [1 / (1 + Math.exp(-1.5))]);
    // 2049 → 2048, 2050.5 → 2050
    expectClose(reference(problem, given, roundToFloat16).output, [roundToFloat16(1 / (1 + Math.exp(-2)))]);
  });
});

test('inputs that do not fit are refused by name', () => {
  const problem: Problem = { op: 'linear', rows: 1, inFeatures: 2, outFeatures: 1, bias: false, activation: 'none' };
  expect(() => reference(problem, { input: f(1, 2) })).toThrow(
    "input 'weight' is nothing; expected 2 elements of float32",
  );
  expect(() => reference(problem, { input: f(1), weight: f(1, 2) })).toThrow(
    "input 'input' is 1 elements in a Float32Array",
  );
  expect(() => reference(problem, { input: i(1, 2), weight: f(1, 2) })).toThrow('2 elements in a Int32Array');
  expect(() => reference({ ...problem, rows: 0.5 }, {})).toThrow('rows is 0.5');
});
