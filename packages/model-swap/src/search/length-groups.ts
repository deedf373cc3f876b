// The lengths of texts in few groups: what latencies are measured at.

import type { EncodedText } from '../tokenizer.ts';

export interface LengthGroup {
  /** Tokens of the shortest and of the longest text. */
  readonly least: number;
  readonly most: number;
  /** Of all texts. */
  readonly share: number;
  /** The text whose length is nearest the mean of the group. */
  readonly text: EncodedText;
}

const mostGroups = 4;

/** Texts by length in groups of about the same number, shortest first; texts of one length are in one group. At least one text. */
export function lengthGroups(texts: readonly EncodedText[]): LengthGroup[] {
  const sorted = texts.toSorted((a, b) => a.ids.length - b.ids.length);
  const bounds = Array.from(
    { length: mostGroups },
    (_, i) => sorted[Math.floor((i * sorted.length) / mostGroups)]!.ids.length,
  );
  const starts = [...new Set(bounds)];
  return starts.map((least, i) => {
    const own = sorted.filter(
      ({ ids: { length } }) => length >= least && length < (starts[i + 1] ?? Number.POSITIVE_INFINITY),
    );
    const mean = own.reduce((sum, { ids }) => sum + ids.length, 0) / own.length;
    const distance = ({ ids }: EncodedText) => Math.abs(ids.length - mean);
    const text = own.reduce((best, one) => (distance(one) < distance(best) ? one : best));
    return { least, most: own.at(-1)!.ids.length, share: own.length / sorted.length, text };
  });
}

/** The number of the group that a text of so many tokens belongs to. */
export const groupOf = (groups: readonly LengthGroup[], tokens: number): number =>
  Math.max(
    0,
    groups.findLastIndex(({ least }) => tokens >= least),
  );
