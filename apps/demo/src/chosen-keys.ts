// From a selection to who chose whom. Pure: no model, no terminal.

import type { SelectionInit } from '@flashmla/tensor';

/** Calls `visit` for every key that a query of `head` selected in the first text. */
export function forEachChosen(
  { shape, tileQueries, blockKeys, indices, keyOrder, queryOrder }: SelectionInit,
  head: number,
  tokens: number,
  visit: (query: number, key: number) => void,
): void {
  const [, , tiles, slots] = shape;
  for (let tile = 0; tile < tiles; tile++) {
    for (let slot = 0; slot < slots; slot++) {
      const block = indices[(head * tiles + tile) * slots + slot]!;
      if (block < 0) continue;
      for (let at = block * blockKeys; at < Math.min((block + 1) * blockKeys, tokens); at++) {
        const key = keyOrder?.[head * tokens + at] ?? at;
        for (let row = tile * tileQueries; row < Math.min((tile + 1) * tileQueries, tokens); row++) {
          visit(queryOrder?.[head * tokens + row] ?? row, key);
        }
      }
    }
  }
}

/** How many queries selected each key. */
export function timesChosen(selection: SelectionInit, head: number, tokens: number): Float64Array {
  const counts = new Float64Array(tokens);
  forEachChosen(selection, head, tokens, (_query, key) => counts[key]!++);
  return counts;
}

/**
 * For each of some queries, how much more often than by chance it chose keys of each part of the text.
 *
 * @returns [queries.length][parts]; part p holds the keys from p·tokens/parts on
 */
export function chosenParts(
  selection: SelectionInit,
  head: number,
  tokens: number,
  queries: readonly number[],
  parts: number,
): Float64Array[] {
  const rowOf = new Map(queries.map((query, row) => [query, row]));
  const counts = queries.map(() => new Float64Array(parts));
  forEachChosen(selection, head, tokens, (query, key) => {
    const row = rowOf.get(query);
    if (row !== undefined) counts[row]![Math.floor((key * parts) / tokens)]!++;
  });
  const start = (part: number) => Math.ceil((part * tokens) / parts);
  return counts.map((row) => {
    const chosen = row.reduce((sum, count) => sum + count, 0);
    return row.map((count, part) => (count * tokens) / (chosen * (start(part + 1) - start(part)) || 1));
  });
}

export interface Word {
  readonly word: string;
  /** Its tokens are [start, end). */
  readonly start: number;
  readonly end: number;
}

/**
 * The words of a text, without special tokens and punctuation.
 *
 * @param pieces the tokens as WordPiece spells them: '##' opens a piece that continues a word
 */
export function wordsOf(pieces: readonly string[]): Word[] {
  const words: Word[] = [];
  for (let start = 0; start < pieces.length; ) {
    let end = start + 1;
    while (pieces[end]?.startsWith('##')) end++;
    const word = pieces.slice(start, end).join('').replaceAll('##', '');
    if (/^[\p{L}\p{N}]/u.test(word)) words.push({ word, start, end });
    start = end;
  }
  return words;
}

/** Each word once, with how much more often than by chance its tokens are chosen; most chosen first. */
export function rankWords(words: readonly Word[], counts: Float64Array): { word: string; times: number }[] {
  const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  const totals = new Map<string, { tokens: number; chosen: number }>();
  for (const { word, start, end } of words) {
    const { tokens, chosen } = totals.get(word) ?? { tokens: 0, chosen: 0 };
    const own = counts.subarray(start, end).reduce((sum, count) => sum + count, 0);
    totals.set(word, { tokens: tokens + end - start, chosen: chosen + own });
  }
  return [...totals]
    .map(([word, { tokens, chosen }]) => ({ word, times: chosen / (tokens * mean || 1) }))
    .sort((a, b) => b.times - a.times);
}
