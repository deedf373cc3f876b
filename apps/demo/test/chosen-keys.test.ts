import type { SelectionInit } from '@flashmla/tensor';
import { describe, expect, test } from 'vitest';
import { chosenParts, forEachChosen, rankWords, timesChosen, wordsOf } from '../src/chosen-keys.ts';

const pairsOf = (selection: SelectionInit, head: number, tokens: number): string[] => {
  const pairs: string[] = [];
  forEachChosen(selection, head, tokens, (query, key) => pairs.push(`${query}→${key}`));
  return pairs.sort();
};

describe('who chose whom', () => {
  test('lists of single keys, of the head that is asked for', () => {
    const indices = Int32Array.of(0, 1, 0, -1, 1, 2, /* head 1 */ 2, -1, 0, 1, -1, -1);
    const selection: SelectionInit = { tileQueries: 1, blockKeys: 1, indices, shape: [1, 2, 3, 2] };
    expect(pairsOf(selection, 0, 3)).toEqual(['0→0', '0→1', '1→0', '2→1', '2→2']);
    expect(pairsOf(selection, 1, 3)).toEqual(['0→2', '1→0', '1→1']);
  });

  test('blocks and tiles are cut from the orders, the last ones short', () => {
    const selection: SelectionInit = {
      tileQueries: 2,
      blockKeys: 2,
      indices: Int32Array.of(1, 0),
      shape: [1, 1, 2, 1],
      keyOrder: Int32Array.of(2, 0, 1),
      queryOrder: Int32Array.of(1, 2, 0),
    };
    expect(pairsOf(selection, 0, 3)).toEqual(['0→0', '0→2', '1→1', '2→1']);
    expect([...timesChosen(selection, 0, 3)]).toEqual([1, 2, 1]);
  });
});

test('parts: against chance, also where they are unequal', () => {
  // Five keys in two parts: {0, 1, 2} and {3, 4}.
  const indices = Int32Array.of(0, 3, 0, 1, 3, 4, 0, 1, 2, 3);
  const selection: SelectionInit = { tileQueries: 1, blockKeys: 1, indices, shape: [1, 1, 5, 2] };
  const [mixed, first, second] = chosenParts(selection, 0, 5, [0, 1, 2], 2);
  expect([...mixed!].map((share) => share.toFixed(3))).toEqual(['0.833', '1.250']);
  expect([...first!].map((share) => share.toFixed(3))).toEqual(['1.667', '0.000']);
  expect([...second!]).toEqual([0, 2.5]);
});

test('words: pieces joined, special tokens and punctuation left out, most chosen first', () => {
  const words = wordsOf(['[CLS]', 'the', 'ferry', '##men', ',', 'the', 'end', '[SEP]']);
  expect(words).toEqual([
    { word: 'the', start: 1, end: 2 },
    { word: 'ferrymen', start: 2, end: 4 },
    { word: 'the', start: 5, end: 6 },
    { word: 'end', start: 6, end: 7 },
  ]);
  const counts = Float64Array.of(0, 1, 4, 2, 0, 0, 1, 0);
  expect(rankWords(words, counts)).toEqual([
    { word: 'ferrymen', times: 3 },
    { word: 'end', times: 1 },
    { word: 'the', times: 0.5 },
  ]);
});
