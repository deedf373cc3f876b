// From texts to how often each of their words occurs, a word being what the tokenizer that reads the file later takes for
// one: its own normalizer and pre-tokenizer find them.

import { describeValue, FlashMLAError } from '@flashmla/tensor';
import type { Tokenizer } from '@huggingface/tokenizers';
import { maxWordLength } from './tokenizer-files.ts';

export type Texts = Iterable<string> | AsyncIterable<string>;

/** The words of a text, each no longer than the tokenizer takes. */
export function wordsOf(text: string, { normalizer, pre_tokenizer: preTokenizer }: Tokenizer): string[] {
  const words = preTokenizer!.pre_tokenize(normalizer!.normalize(text));
  return words.filter((word) => word.length <= maxWordLength || [...word].length <= maxWordLength);
}

export interface WordCounts {
  readonly texts: number;
  /** By word. */
  readonly counts: ReadonlyMap<string, number>;
}

/**
 * Counts the words of `texts`. What is kept is one entry a distinct word; the texts are not.
 *
 * @param onText called after each text, with their number so far
 * @throws FlashMLAError 'invalid-argument' for a text that is no string
 */
export async function countWords(
  texts: Texts,
  tokenizer: Tokenizer,
  onText: (texts: number) => Promise<void>,
): Promise<WordCounts> {
  const counts = new Map<string, number>();
  let done = 0;
  for await (const text of texts) {
    if (typeof text !== 'string') {
      throw new FlashMLAError('invalid-argument', `[train] text ${done} is ${describeValue(text)}; expected a string.`);
    }
    for (const word of wordsOf(text, tokenizer)) {
      const count = counts.get(word);
      // Copied: engines keep a part of a string as a view of it, so that the map would keep the texts.
      if (count === undefined) counts.set([...word].join(''), 1);
      else counts.set(word, count + 1);
    }
    await onText(++done);
  }
  return { texts: done, counts };
}
