// Byte-pair encoding over words: of all pairs of neighbouring pieces the most frequent becomes one piece, again and again
// (Sennrich, Haddow & Birch 2016, arXiv 1508.07909). As BpeTrainer in Hugging Face's tokenizers
// (tokenizers/src/models/bpe/trainer.rs) has it, but for what is left open there: of equally frequent pairs that comes
// first whose first piece, then whose second, has the smaller id.
//
// The counts of pairs are kept exact from merge to merge: only the words that have the pair are visited, and only what
// stood beside it changes.

import TinyQueue from 'tinyqueue';

/** Ids stay below, so that a pair of them is one exact number. */
export const mostPieces = 2 ** 26;

export interface Word {
  /** Ids of its pieces; merging shortens it. */
  readonly pieces: number[];
  /** How often it occurs. */
  readonly count: number;
}

export interface MergeLimits {
  /** Pieces to stop at. */
  readonly vocabularySize: number;
  /** A pair that occurs less often is not merged. */
  readonly minFrequency: number;
  /** Begins every piece that does not begin a word. */
  readonly continuingPrefix: string;
}

/**
 * Adds a piece for each merge to `pieces`, until there are enough of them or no pair is frequent enough.
 *
 * @param pieces by id, none twice; all that `words` are made of
 * @param onPiece called after each merge
 */
export async function mergePairs(
  pieces: string[],
  words: readonly Word[],
  { vocabularySize, minFrequency, continuingPrefix }: MergeLimits,
  onPiece: () => Promise<void>,
): Promise<void> {
  const pairs = new Pairs();
  words.forEach(({ pieces: own, count }, word) => {
    for (let i = 1; i < own.length; i++) pairs.change(own[i - 1]!, own[i]!, count, word);
  });
  while (pieces.length < vocabularySize) {
    const pair = pairs.mostFrequent();
    if (!pair || pair.count < minFrequency) return;
    // No other merge spells the same: what is merged between two boundaries depends on the characters between them alone,
    // and on whether they begin a word, which the first piece tells.
    const id = pieces.push(pieces[pair.first]! + pieces[pair.second]!.slice(continuingPrefix.length)) - 1;
    for (const word of pair.words) mergeIn(words[word]!, pair, id, word, pairs);
    await onPiece();
  }
}

interface Pair {
  readonly first: number;
  readonly second: number;
  /** Occurrences in all texts. */
  count: number;
  /** Words that have it or had it, by number; some may be there twice. */
  readonly words: number[];
}

interface Candidate {
  readonly pair: Pair;
  /** The pair's count when it was queued. */
  readonly count: number;
}

const before = (a: Candidate, b: Candidate): number =>
  b.count - a.count || a.pair.first - b.pair.first || a.pair.second - b.pair.second;

/** The pairs that occur, and which of them is the most frequent. */
class Pairs {
  readonly #pairs = new Map<number, Pair>();
  /** Every pair with its count or with one that was higher. */
  readonly #queue = new TinyQueue<Candidate>([], before);
  readonly #grown = new Set<Pair>();

  /** @param count what its count changes by, for one occurrence in `word` */
  change(first: number, second: number, count: number, word: number): void {
    const key = first * mostPieces + second;
    let pair = this.#pairs.get(key);
    if (!pair) {
      pair = { first, second, count: 0, words: [] };
      this.#pairs.set(key, pair);
    }
    pair.count += count;
    if (pair.count === 0) this.#pairs.delete(key);
    if (count < 0) return;
    if (pair.words.at(-1) !== word) pair.words.push(word);
    this.#grown.add(pair);
  }

  mostFrequent(): Pair | undefined {
    for (const pair of this.#grown) this.#queue.push({ pair, count: pair.count });
    this.#grown.clear();
    for (let top = this.#queue.pop(); top; top = this.#queue.pop()) {
      const { pair, count } = top;
      if (pair.count === count && count > 0) return pair;
      // One that grew since was queued again then.
      if (0 < pair.count && pair.count < count) this.#queue.push({ pair, count: pair.count });
    }
    return undefined;
  }
}

/** Makes one piece of each occurrence of the pair in a word, from its start on. */
function mergeIn({ pieces, count }: Word, { first, second }: Pair, merged: number, word: number, pairs: Pairs): void {
  let kept = 0;
  for (let i = 0; i < pieces.length; i++) {
    if (pieces[i] !== first || pieces[i + 1] !== second) {
      pieces[kept++] = pieces[i]!;
      continue;
    }
    pairs.change(first, second, -count, word);
    if (kept > 0) {
      const left = pieces[kept - 1]!;
      pairs.change(left, first, -count, word);
      pairs.change(left, merged, count, word);
    }
    if (i + 2 < pieces.length) {
      const right = pieces[i + 2]!;
      pairs.change(second, right, -count, word);
      pairs.change(merged, right, count, word);
    }
    pieces[kept++] = merged;
    i++;
  }
  pieces.length = kept;
}
