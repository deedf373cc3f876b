import type { SelectionInit } from '@flashmla/tensor';
import { expect, test } from 'vitest';
import { brightness, choiceMap, keysOf } from '../src/chosen.ts';

const lists: SelectionInit = {
  tileQueries: 1,
  blockKeys: 1,
  indices: Int32Array.of(0, 1, 0, -1, 1, 2, /* head 1 */ 2, -1, 0, 1, -1, -1),
  shape: [1, 2, 3, 2],
};
const blocks: SelectionInit = {
  tileQueries: 2,
  blockKeys: 2,
  indices: Int32Array.of(1, 0),
  shape: [1, 1, 2, 1],
  keyOrder: Int32Array.of(2, 0, 1),
  queryOrder: Int32Array.of(1, 2, 0),
};

test('keys of one query: lists, empty slots, the head that is asked for', () => {
  expect([0, 1, 2].map((query) => keysOf(lists, 0, 3, query))).toEqual([[0, 1], [0], [1, 2]]);
  expect([0, 1, 2].map((query) => keysOf(lists, 1, 3, query))).toEqual([[2], [0, 1], []]);
});

test('keys of one query: blocks and tiles cut from the orders, the last ones short', () => {
  expect([0, 1, 2].map((query) => keysOf(blocks, 0, 3, query))).toEqual([[0, 2], [1], [1]]);
});

test('a picture: how much more often than by chance', () => {
  // 5 of 9 pairs are chosen; a cell a token.
  const { size, times } = choiceMap(lists, 0, 3, 100);
  expect(size).toBe(3);
  expect(Array.from(times, (value) => value.toFixed(2))).toEqual(
    [1.8, 1.8, 0, 1.8, 0, 0, 0, 1.8, 1.8].map((value) => value.toFixed(2)),
  );
});

test('a picture of fewer cells than tokens: cells are of unequal width, and chance accounts for it', () => {
  // All pairs of 3 tokens are chosen: by chance everywhere.
  const all: SelectionInit = { tileQueries: 3, blockKeys: 3, indices: Int32Array.of(0), shape: [1, 1, 1, 1] };
  const { size, times } = choiceMap(all, 0, 3, 2);
  expect(size).toBe(2);
  expect([...times]).toEqual([1, 1, 1, 1]);
});

test('brightness: doubling is a quarter', () => {
  expect([0, 0.5, 1, 2, 4, 16, 100].map(brightness)).toEqual([0, 0, 0, 0.25, 0.5, 1, 1]);
});
