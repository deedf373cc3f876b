// A WordPiece vocabulary from texts, as WordPieceTrainer of Hugging Face's tokenizers trains one
// (tokenizers/src/models/wordpiece/trainer.rs): pieces come from byte-pair encoding, and their order from merging; the
// tokenizer that reads them takes the longest that fits. What is left to chance there follows a rule here, so that the same
// texts give the same vocabulary, in whatever order they come.

import { describeValue, FlashMLAError } from '@flashmla/tensor';
import { Tokenizer } from '@huggingface/tokenizers';
import { mergePairs, mostPieces, type Word } from './merges.ts';
import {
  bertTokens,
  type JsonObject,
  tokenizerConfigOf,
  tokenizerJsonOf,
  type WordPieceRules,
} from './tokenizer-files.ts';
import { countWords, type Texts, type WordCounts, wordsOf } from './words.ts';

export interface WordPieceOptions {
  /** Most pieces, special tokens included. There are fewer where no pair is frequent enough any more. */
  vocabularySize: number;
  /** Whether case and accents are dropped; default true. */
  lowercase?: boolean | undefined;
  /** Times that a pair of pieces must occur to become one; default 2, as BertWordPieceTokenizer has it. */
  minFrequency?: number | undefined;
  /** Special tokens beside BERT's five, which have the ids 0 to 4; these have the ids from 5 on. */
  specialTokens?: readonly string[] | undefined;
  /** What begins a piece that does not begin a word: punctuation; default '##'. */
  continuingPrefix?: string | undefined;
  /** Most characters to keep, the frequent ones; words with others are [UNK]. Default 1000, as BertWordPieceTokenizer. */
  limitAlphabet?: number | undefined;
  signal?: AbortSignal | undefined;
  progress?: ((progress: WordPieceProgress) => void) | undefined;
}

/** How far a training is: texts that are counted, whose number nobody knows, then pieces. */
export type WordPieceProgress =
  | { readonly task: 'count'; readonly done: number }
  | { readonly task: 'merge'; readonly done: number; readonly total: number };

export interface TrainedWordPiece {
  /** For tokenizer.json, in Hugging Face's format. */
  readonly tokenizerJson: JsonObject;
  /** For tokenizer_config.json. */
  readonly tokenizerConfig: JsonObject;
  /** Pieces, special tokens included. */
  readonly vocabularySize: number;
  readonly texts: number;
  /** Words of the texts. */
  readonly words: number;
  readonly distinctWords: number;
}

/**
 * Trains a WordPiece tokenizer.
 *
 * Words are what the tokenizer that reads the file will take for words. Those of more than 100 characters, and those with a
 * character outside the alphabet, are [UNK] to it and teach nothing; all others of the texts have pieces. Memory grows with
 * the distinct words, not with the texts.
 *
 * @throws FlashMLAError 'invalid-argument' for options that don't do, a text that is no string, texts without words, and a
 * vocabulary too small for the alphabet; what `signal` has for a reason when it aborts
 */
export async function trainWordPiece(texts: Texts, options: WordPieceOptions): Promise<TrainedWordPiece> {
  const { vocabularySize, lowercase = true, minFrequency = 2, limitAlphabet = 1000, signal, progress } = options;
  const { specialTokens: furtherTokens = [], continuingPrefix = '##' } = options;
  const rules = { lowercase, continuingPrefix, specialTokens: [...bertTokens, ...furtherTokens] };
  checkTexts(texts);
  checkWhole('vocabularySize', vocabularySize, rules.specialTokens.length + 1, mostPieces);
  checkWhole('minFrequency', minFrequency, 1);
  checkWhole('limitAlphabet', limitAlphabet, 1);
  const tokenizer = new Tokenizer(tokenizerJsonOf(rules.specialTokens, rules), tokenizerConfigOf(rules));
  checkMarks(rules, tokenizer);

  const pause = pauser(signal);
  const counted = await countWords(texts, tokenizer, (done) => {
    progress?.({ task: 'count', done });
    return pause();
  });
  const { pieces, words } = spelled(counted, rules, limitAlphabet);
  if (words.length === 0) {
    throw invalid(`${counted.texts} texts have no word; expected texts with at least one, of at most 100 characters.`);
  }
  if (pieces.length > vocabularySize) {
    throw invalid(
      `vocabularySize is ${vocabularySize}; the characters of the texts and the special tokens are ${pieces.length} ` +
        'pieces already. Give at least as many, or a smaller limitAlphabet.',
    );
  }
  await mergePairs(pieces, words, { vocabularySize, minFrequency, continuingPrefix }, () => {
    progress?.({ task: 'merge', done: pieces.length, total: vocabularySize });
    return pause();
  });
  return {
    tokenizerJson: tokenizerJsonOf(pieces, rules),
    tokenizerConfig: tokenizerConfigOf(rules),
    vocabularySize: pieces.length,
    texts: counted.texts,
    words: [...counted.counts.values()].reduce((sum, count) => sum + count, 0),
    distinctWords: counted.counts.size,
  };
}

/**
 * The words in single characters, and the pieces that these are: special tokens, then every character as it begins a word,
 * then those that go on with one, both by code point.
 */
function spelled(
  { counts }: WordCounts,
  { specialTokens, continuingPrefix }: WordPieceRules,
  limitAlphabet: number,
): { pieces: string[]; words: Word[] } {
  const alphabet = new Set(alphabetOf(counts, limitAlphabet));
  const known = [...counts]
    .map(([word, count]) => ({ characters: [...word], count }))
    .filter(({ characters }) => characters.every((character) => alphabet.has(character)));
  const following = new Set(known.flatMap(({ characters }) => characters.slice(1)));
  const pieces = [
    ...specialTokens,
    ...alphabet,
    ...[...alphabet].filter((character) => following.has(character)).map((character) => continuingPrefix + character),
  ];
  const ids = new Map(pieces.map((piece, id) => [piece, id]));
  const words = known.map(({ characters, count }) => ({
    pieces: characters.map((character, place) => ids.get(place === 0 ? character : continuingPrefix + character)!),
    count,
  }));
  return { pieces, words };
}

/** The most frequent characters, by code point; of equally frequent ones the first by code point. */
function alphabetOf(counts: WordCounts['counts'], limit: number): string[] {
  const frequency = new Map<string, number>();
  for (const [word, count] of counts) {
    for (const character of word) frequency.set(character, (frequency.get(character) ?? 0) + count);
  }
  const byCodePoint = (a: string, b: string) => a.codePointAt(0)! - b.codePointAt(0)!;
  return [...frequency.keys()]
    .sort((a, b) => frequency.get(b)! - frequency.get(a)! || byCodePoint(a, b))
    .slice(0, limit)
    .sort(byCodePoint);
}

/** Lets timers and messages have their turn every so often, so that a signal can abort. */
function pauser(signal: AbortSignal | undefined): () => Promise<void> {
  const restMs = 50;
  signal?.throwIfAborted();
  let last = performance.now();
  return async () => {
    if (performance.now() - last < restMs) return;
    await new Promise((resolve) => setTimeout(resolve));
    signal?.throwIfAborted();
    last = performance.now();
  };
}

function checkTexts(texts: Texts): void {
  // A string is iterable too: it gives its characters.
  if (typeof texts === 'object' && texts !== null && (Symbol.iterator in texts || Symbol.asyncIterator in texts))
    return;
  throw invalid(`texts is ${describeValue(texts)}; expected a list or another (async) iterable of strings.`);
}

function checkWhole(name: string, value: number, least: number, most = Number.MAX_SAFE_INTEGER): void {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return;
  throw invalid(
    `${name} is ${value}; expected a whole number from ${least}${most < 2 ** 53 - 1 ? ` to ${most}` : ' on'}.`,
  );
}

/** No word's piece may be equal to a special token, nor one that begins a word to one that does not. */
function checkMarks({ continuingPrefix, specialTokens }: WordPieceRules, tokenizer: Tokenizer): void {
  if (wordsOf(`a${continuingPrefix}a`, tokenizer).length !== continuingPrefix.length + 2) {
    throw invalid(`continuingPrefix is '${continuingPrefix}'; expected punctuation, such as '##'.`);
  }
  const wrong = specialTokens.find(
    (token, id) =>
      specialTokens.indexOf(token) !== id || token.startsWith(continuingPrefix) || wordsOf(token, tokenizer).length < 2,
  );
  if (wrong === undefined) return;
  throw invalid(
    `specialTokens has '${wrong}', which is ${bertTokens.some((token) => token === wrong) ? 'there anyway' : 'there twice or can be a word or its piece'}; expected such as '[DOC]', each once.`,
  );
}

function invalid(message: string): FlashMLAError {
  return new FlashMLAError('invalid-argument', `[train] ${message}`);
}
