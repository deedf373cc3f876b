// Reading selections for the pictures. Pure: no model, no page.

import { forEachChosen } from '@flashmla/demo/src/chosen-keys.ts';
import type { SelectionInit } from '@flashmla/tensor';

/** The keys that one query of `head` selected, ascending, each once. */
export function keysOf(selection: SelectionInit, head: number, tokens: number, query: number): number[] {
  const { shape, tileQueries, blockKeys, indices, keyOrder, queryOrder } = selection;
  const [, , tiles, slots] = shape;
  const place = queryOrder ? queryOrder.subarray(head * tokens, (head + 1) * tokens).indexOf(query) : query;
  const first = (head * tiles + Math.floor(place / tileQueries)) * slots;
  const keys = new Set<number>();
  for (const block of indices.subarray(first, first + slots)) {
    if (block < 0) continue;
    for (let at = block * blockKeys; at < Math.min((block + 1) * blockKeys, tokens); at++) {
      keys.add(keyOrder?.[head * tokens + at] ?? at);
    }
  }
  return [...keys].sort((a, b) => a - b);
}

/** A picture of all queries × keys of a head, in at most `most` × `most` cells. */
export interface ChoiceMap {
  /** Rows and columns; cell i holds the tokens from i·tokens/size on. */
  readonly size: number;
  /** [size, size]: how much more often than by chance the queries of a row chose the keys of a column. */
  readonly times: Float32Array;
}

export function choiceMap(selection: SelectionInit, head: number, tokens: number, most: number): ChoiceMap {
  const size = Math.min(most, tokens);
  const cellOf = Uint16Array.from({ length: tokens }, (_, token) => Math.floor((token * size) / tokens));
  const counts = new Float32Array(size * size);
  let chosen = 0;
  forEachChosen(selection, head, tokens, (query, key) => {
    counts[cellOf[query]! * size + cellOf[key]!]!++;
    chosen++;
  });
  const width = new Float32Array(size);
  for (const cell of cellOf) width[cell]!++;
  const chance = chosen / (tokens * tokens) || 1;
  const times = counts.map((count, at) => count / (width[Math.floor(at / size)]! * width[at % size]! * chance));
  return { size, times };
}

/** 0 for what is chosen no more than by chance, 1 for 16 times that and more: doubling is a quarter. */
export const brightness = (times: number): number => Math.min(1, Math.max(0, Math.log2(times) / 4));
