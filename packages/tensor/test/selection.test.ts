// Which selections are legal, and which fit an attention: for any sizes.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ceilDivide, checkSelection, FlashMLAError, type SelectionInit, selection } from '../src/index.ts';

const small = (least: number, most: number) => fc.integer({ min: least, max: most });

/** Sizes of an attention and a legal selection for it, with or without orders. */
const legal = fc
  .record({
    batch: small(1, 2),
    heads: small(1, 3),
    queries: small(1, 40),
    keys: small(1, 40),
    slots: small(0, 5),
    tileQueries: small(1, 20),
    blockKeys: small(1, 8),
    groups: small(0, 4),
  })
  .chain((sizes) => {
    const rows = sizes.batch * sizes.heads;
    const tiles = ceilDivide(sizes.queries, sizes.tileQueries);
    const count = rows * tiles * sizes.slots;
    const orders = (length: number) => {
      const natural = Array.from({ length }, (_, i) => i);
      const permutation = fc.shuffledSubarray(natural, { minLength: length });
      return fc
        .array(permutation, { minLength: rows, maxLength: rows })
        .map((permutations) => Int32Array.from(permutations.flat()));
    };
    return fc.record({
      sizes: fc.constant(sizes),
      indices: fc.int32Array({ minLength: count, maxLength: count }),
      keyOrder: fc.option(orders(sizes.keys), { nil: undefined }),
      queryOrder: fc.option(orders(sizes.queries), { nil: undefined }),
    });
  })
  .map(({ sizes, indices, keyOrder, queryOrder }) => {
    const { batch, heads, queries, slots, tileQueries, blockKeys, groups } = sizes;
    const init: SelectionInit = {
      tileQueries,
      blockKeys,
      indices,
      shape: [batch, heads, ceilDivide(queries, tileQueries), slots],
      residualGroup: groups * blockKeys,
      ...(keyOrder && { keyOrder }),
      ...(queryOrder && { queryOrder }),
    };
    return { sizes, init };
  });

const withOrder = (name: 'keyOrder' | 'queryOrder') => legal.filter(({ init }) => (init[name]?.length ?? 0) > 1);

describe('selection()', () => {
  test('takes what is legal, whatever the entries, and copies nothing', () => {
    fc.assert(
      fc.property(legal, ({ init }) => {
        const made = selection(init);
        expect(made.indices.shape).toEqual(init.shape);
        expect(made.indices.dtype).toBe('int32');
        expect(made.residualGroup).toBe(init.residualGroup);
        expect(made.keyOrder === undefined).toBe(init.keyOrder === undefined);
        expect(made.queryOrder === undefined).toBe(init.queryOrder === undefined);
      }),
    );
  });

  test.each(['keyOrder', 'queryOrder'] as const)('refuses a %s that is no permutation', (name) => {
    fc.assert(
      fc.property(
        withOrder(name),
        fc.nat(),
        fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
        ({ init }, at, value) => {
          const order = Int32Array.from(init[name]!);
          const place = at % order.length;
          fc.pre(order[place] !== value);
          order[place] = value;
          expect(() => selection({ ...init, [name]: order })).toThrow(`${name} is not a permutation`);
        },
      ),
    );
  });

  test('refuses an order of the wrong length', () => {
    fc.assert(
      fc.property(
        withOrder('queryOrder').filter(({ sizes }) => sizes.batch * sizes.heads > 1),
        ({ init }) => {
          expect(() => selection({ ...init, queryOrder: init.queryOrder!.slice(1) })).toThrow(FlashMLAError);
        },
      ),
    );
  });

  test('refuses tiles that do not cover the queries of the order', () => {
    fc.assert(
      fc.property(withOrder('queryOrder'), ({ init }) => {
        const [batch, heads, tiles, slots] = init.shape;
        const shape = [batch, heads, tiles + 1, slots] as const;
        const indices = new Int32Array(batch * heads * (tiles + 1) * slots);
        expect(() => selection({ ...init, shape, indices })).toThrow(`shape says ${tiles + 1} tiles`);
      }),
    );
  });

  test('refuses a residual group that cuts blocks', () => {
    fc.assert(
      fc.property(
        legal.filter(({ init }) => init.blockKeys > 1),
        fc.nat(1000),
        ({ init }, residualGroup) => {
          fc.pre(residualGroup % init.blockKeys !== 0);
          expect(() => selection({ ...init, residualGroup })).toThrow('multiple of blockKeys');
        },
      ),
    );
  });

  test.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])('refuses tiles or blocks of %d', (size) => {
    const init: SelectionInit = { tileQueries: 1, blockKeys: 1, indices: new Int32Array(1), shape: [1, 1, 1, 1] };
    expect(() => selection({ ...init, tileQueries: size })).toThrow('tileQueries');
    expect(() => selection({ ...init, blockKeys: size })).toThrow('blockKeys');
  });

  test('refuses indices that do not fill their shape', () => {
    expect(() => selection({ tileQueries: 1, blockKeys: 1, indices: new Int32Array(5), shape: [1, 1, 2, 3] })).toThrow(
      '5 elements given for shape [1, 1, 2, 3]',
    );
  });

  test('refuses arrays and shapes of another kind, by name', () => {
    const init = { tileQueries: 1, blockKeys: 1, indices: new Int32Array(1), shape: [1, 1, 1, 1] };
    const make = (given: object) => () => selection({ ...init, ...given } as unknown as SelectionInit);
    expect(make({ indices: [0] })).toThrow('indices is an Array; expected an Int32Array');
    expect(make({ keyOrder: new Uint32Array(1) })).toThrow('keyOrder is a Uint32Array; expected an Int32Array');
    expect(make({ shape: undefined })).toThrow('shape is undefined; expected [batch, heads, tiles, slots]');
  });
});

describe('checkSelection()', () => {
  test('takes a selection made for these sizes', () => {
    fc.assert(fc.property(legal, ({ sizes, init }) => checkSelection(selection(init), sizes)));
  });

  test('refuses any other batch, number of heads or of tiles', () => {
    fc.assert(
      fc.property(legal, ({ sizes, init }) => {
        const made = selection(init);
        for (const other of [
          { ...sizes, batch: sizes.batch + 1 },
          { ...sizes, heads: sizes.heads + 1 },
          { ...sizes, queries: sizes.queries + sizes.tileQueries },
        ]) {
          expect(() => checkSelection(made, other)).toThrow('Build the selection for these sizes');
        }
      }),
    );
  });

  test('refuses what is no selection', () => {
    const sizes = { batch: 1, heads: 1, queries: 1, keys: 1 };
    const init = { tileQueries: 1, blockKeys: 1, indices: new Int32Array(1), shape: [1, 1, 1, 1] };
    for (const given of [undefined, init, []]) {
      expect(() => checkSelection(given as never, sizes)).toThrow('expected a Selection');
    }
  });

  test('refuses orders made for other lengths', () => {
    fc.assert(
      fc.property(withOrder('keyOrder'), ({ sizes, init }) => {
        expect(() => checkSelection(selection(init), { ...sizes, keys: sizes.keys + 1 })).toThrow('keyOrder is int32');
      }),
    );
  });
});
