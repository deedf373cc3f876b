// What must hold of the references whatever the sizes, the lists, the orders and the masks.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  ceilDivide,
  type DenseAttentionProblem,
  type NumberArray,
  reference,
  type SparseAttentionProblem,
} from '../src/index.ts';

const small = (least: number, most: number) => fc.integer({ min: least, max: most });
const range = (length: number) => Array.from({ length }, (_, i) => i);
const headDim = 3;

interface Drawn {
  problem: SparseAttentionProblem;
  inputs: Record<string, NumberArray>;
}

/** An attention of one head with lists, orders, and a mask. */
const drawn: fc.Arbitrary<Drawn> = fc
  .record({
    queries: small(1, 12),
    keys: small(1, 20),
    tileQueries: small(1, 5),
    blockKeys: small(1, 4),
    slots: small(0, 4),
    groups: small(0, 3),
  })
  .chain(({ queries, keys, tileQueries, blockKeys, slots, groups }) => {
    const floats = (count: number) =>
      fc
        .array(fc.double({ min: -2, max: 2, noNaN: true }), { minLength: count, maxLength: count })
        .map((values) => Float64Array.from(values));
    const order = (length: number) =>
      fc.shuffledSubarray(range(length), { minLength: length }).map((values) => Int32Array.from(values));
    const count = ceilDivide(queries, tileQueries) * slots;
    const problem: SparseAttentionProblem = {
      op: 'sparse-attention',
      batch: 1,
      heads: 1,
      queries,
      keys,
      headDim,
      layout: 'heads-first',
      scale: 0.7,
      mask: true,
      causal: false,
      tileQueries,
      blockKeys,
      slots,
      keyOrder: true,
      queryOrder: true,
      residualGroup: groups * blockKeys,
    };
    return fc.record({
      problem: fc.constant(problem),
      inputs: fc.record({
        query: floats(queries * headDim),
        key: floats(keys * headDim),
        value: floats(keys * headDim),
        keyOrder: order(keys),
        queryOrder: order(queries),
        keyMask: fc
          .array(fc.constantFrom(0, 1, 1), { minLength: keys, maxLength: keys })
          .map((values) => Uint8Array.from(values)),
        indices: fc
          .array(small(-1, ceilDivide(keys, blockKeys)), { minLength: count, maxLength: count })
          .map((values) => Int32Array.from(values)),
      }),
    });
  });

function expectSame(actual: Record<string, NumberArray>, expected: Record<string, NumberArray>): void {
  for (const [name, values] of Object.entries(expected)) {
    expect(actual[name]).toHaveLength(values.length);
    for (const [i, value] of values.entries()) {
      const given = actual[name]![i]!;
      if (given !== value) expect(given, `${name}[${i}]`).toBeCloseTo(value, 10);
    }
  }
}

/** Rows of `array` in the order that `order` gives. */
const reordered = (array: NumberArray, order: NumberArray, features = headDim) =>
  Float64Array.from([...order].flatMap((row) => [...array.subarray(row * features, (row + 1) * features)]));

const denseOf = (p: SparseAttentionProblem): DenseAttentionProblem => ({
  op: 'dense-attention',
  batch: p.batch,
  heads: p.heads,
  queries: p.queries,
  keys: p.keys,
  headDim: p.headDim,
  layout: p.layout,
  scale: p.scale,
  mask: p.mask,
  causal: p.causal,
});

describe('sparse attention', () => {
  test('a key order is the same as keys in that order', () => {
    fc.assert(
      fc.property(drawn, ({ problem, inputs }) => {
        const { key, value, keyMask, keyOrder } = inputs as Record<
          'key' | 'value' | 'keyMask' | 'keyOrder',
          NumberArray
        >;
        const moved = reference(
          { ...problem, keyOrder: false },
          {
            ...inputs,
            key: reordered(key, keyOrder),
            value: reordered(value, keyOrder),
            keyMask: Uint8Array.from(keyOrder, (token) => keyMask[token]!),
          },
        );
        expectSame(reference(problem, inputs), moved);
      }),
    );
  });

  test('a query order is the same as queries in that order', () => {
    fc.assert(
      fc.property(drawn, ({ problem, inputs }) => {
        const { query, queryOrder } = inputs as Record<'query' | 'queryOrder', NumberArray>;
        const moved = reference({ ...problem, queryOrder: false }, { ...inputs, query: reordered(query, queryOrder) });
        const given = reference(problem, inputs);
        const inOrder = {
          output: reordered(given.output!, queryOrder),
          lse: reordered(given.lse!, queryOrder, 1),
        };
        expectSame(inOrder, moved);
      }),
    );
  });

  test('everything selected is dense attention, with or without residual groups', () => {
    fc.assert(
      fc.property(drawn, ({ problem, inputs }) => {
        const slots = ceilDivide(problem.keys, problem.blockKeys);
        const lists = ceilDivide(problem.queries, problem.tileQueries) * slots;
        const indices = Int32Array.from({ length: lists }, (_, i) => i % slots);
        const everything = reference({ ...problem, slots }, { ...inputs, indices });
        expectSame(everything, reference(denseOf(problem), inputs));
      }),
    );
  });

  test('residual groups of one key are dense attention, whatever is selected', () => {
    fc.assert(
      fc.property(drawn, ({ problem, inputs }) => {
        const ones = { ...problem, blockKeys: 1, residualGroup: 1 };
        expectSame(reference(ones, inputs), reference(denseOf(problem), inputs));
      }),
    );
  });

  test('residual groups of equal keys are dense attention', () => {
    fc.assert(
      fc.property(
        drawn.filter(({ problem }) => problem.residualGroup > 0),
        ({ problem, inputs }) => {
          const alike = (array: NumberArray) => {
            const copy = array.slice();
            for (const [position, key] of inputs.keyOrder!.entries()) {
              const first = inputs.keyOrder![position - (position % problem.residualGroup)]!;
              copy.set(array.subarray(first * headDim, (first + 1) * headDim), key * headDim);
            }
            return copy;
          };
          const equal = { ...inputs, key: alike(inputs.key!), value: alike(inputs.value!) };
          expectSame(reference(problem, equal), reference(denseOf(problem), equal));
        },
      ),
    );
  });

  test('the order of a list, repeats, and entries that name no block change nothing', () => {
    fc.assert(
      fc.property(drawn, fc.constantFrom(-(2 ** 31), -1, 1000, 2 ** 31 - 1), ({ problem, inputs }, garbage) => {
        const { slots } = problem;
        const lists = ceilDivide(problem.queries, problem.tileQueries);
        const longer = new Int32Array(lists * (2 * slots + 1));
        for (let list = 0; list < lists; list++) {
          const entries = [...inputs.indices!.subarray(list * slots, (list + 1) * slots)];
          longer.set([...entries.toReversed(), garbage, ...entries], list * (2 * slots + 1));
        }
        expectSame(
          reference({ ...problem, slots: 2 * slots + 1 }, { ...inputs, indices: longer }),
          reference(problem, inputs),
        );
      }),
    );
  });

  test('padding at the end of the order changes nothing', () => {
    fc.assert(
      fc.property(drawn, small(1, 9), ({ problem, inputs }, padding) => {
        const keys = problem.keys + padding;
        const filled = (array: NumberArray) =>
          Float64Array.of(...array, ...new Array<number>(padding * headDim).fill(Number.NaN));
        const padded = {
          ...inputs,
          key: filled(inputs.key!),
          value: filled(inputs.value!),
          keyMask: Uint8Array.of(...inputs.keyMask!, ...new Array<number>(padding).fill(0)),
          keyOrder: Int32Array.of(...inputs.keyOrder!, ...range(padding).map((i) => problem.keys + i)),
        };
        expectSame(reference({ ...problem, keys }, padded), reference(problem, inputs));
      }),
    );
  });
});

describe('dense attention', () => {
  test('a masked key might as well not be there', () => {
    fc.assert(
      fc.property(drawn, ({ problem, inputs }) => {
        const kept = Int32Array.from(range(problem.keys).filter((key) => inputs.keyMask![key] !== 0));
        const fewer = reference(
          { ...denseOf(problem), mask: false, keys: kept.length },
          { query: inputs.query!, key: reordered(inputs.key!, kept), value: reordered(inputs.value!, kept) },
        );
        expectSame(reference(denseOf(problem), inputs), fewer);
      }),
    );
  });

  test('a causal query sees what it would see with the later keys cut off', () => {
    fc.assert(
      fc.property(drawn, fc.nat(), ({ problem, inputs }, pick) => {
        const query = pick % problem.queries;
        const seen = Math.min(Math.max(query + problem.keys - problem.queries + 1, 0), problem.keys);
        const causal = reference({ ...denseOf(problem), causal: true, mask: false }, inputs);
        const rows = (array: NumberArray, from: number, to: number) => array.slice(from * headDim, to * headDim);
        const alone = reference(
          { ...denseOf(problem), mask: false, queries: 1, keys: seen },
          {
            query: rows(inputs.query!, query, query + 1),
            key: rows(inputs.key!, 0, seen),
            value: rows(inputs.value!, 0, seen),
          },
        );
        expectSame({ output: rows(causal.output!, query, query + 1), lse: causal.lse!.slice(query, query + 1) }, alone);
      }),
    );
  });
});

describe('content order', () => {
  test('is a permutation with what is absent at its end, and does not hang on what is absent', () => {
    const points = fc.integer({ min: 1, max: 40 }).chain((tokens) =>
      fc.record({
        tokens: fc.constant(tokens),
        leaf: small(1, 8),
        points: fc.array(small(-3, 3), { minLength: tokens * 2, maxLength: tokens * 2 }),
        mask: fc.array(fc.constantFrom(0, 1, 1), { minLength: tokens, maxLength: tokens }),
      }),
    );
    fc.assert(
      fc.property(points, ({ tokens, leaf, points: drawnPoints, mask }) => {
        const problem = { op: 'content-order', batch: 1, heads: 1, tokens, rank: 2, leaf } as const;
        const poisoned = Float64Array.from(drawnPoints, (value, i) => (mask[Math.floor(i / 2)] ? value : Number.NaN));
        const order = [
          ...reference({ ...problem, mask: true }, { points: poisoned, mask: Uint8Array.from(mask) }).order!,
        ];
        expect(order.toSorted((a, b) => a - b)).toEqual(range(tokens));

        const present = range(tokens).filter((token) => mask[token]);
        expect(order.slice(present.length)).toEqual(range(tokens).filter((token) => !mask[token]));
        const alone = reference(
          { ...problem, tokens: present.length, mask: false },
          { points: reordered(poisoned, Int32Array.from(present), 2) },
        );
        expect(order.slice(0, present.length)).toEqual([...alone.order!].map((token) => present[token]));
      }),
    );
  });
});
