import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { FlashMLAError, randomSource, shuffled } from '@flashmla/tensor';
import { Tokenizer } from '@huggingface/tokenizers';
import { describe, expect, it } from 'vitest';
import { type TrainedWordPiece, trainWordPiece, type WordPieceOptions, type WordPieceProgress } from '../src/index.ts';

const special = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];

/** The vocabulary by id. */
function piecesOf({ tokenizerJson }: TrainedWordPiece): string[] {
  const { vocab } = tokenizerJson.model as { vocab: Record<string, number> };
  const pieces: string[] = [];
  for (const [piece, id] of Object.entries(vocab)) pieces[id] = piece;
  return pieces;
}

/** Read back from what would be the files. */
function tokenizerOf({ tokenizerJson, tokenizerConfig }: TrainedWordPiece): Tokenizer {
  return new Tokenizer(JSON.parse(JSON.stringify(tokenizerJson)), JSON.parse(JSON.stringify(tokenizerConfig)));
}

/** Each word as often as it says. */
const repeated = (counts: Record<string, number>): string[] =>
  Object.entries(counts).map(([word, count]) => `${word} `.repeat(count));

describe('trainWordPiece', () => {
  it('merges the most frequent pair first, as worked out by hand', async () => {
    // The example of Sennrich et al.: low 5, lower 2, newest 6, widest 3. Pairs with their counts:
    //   ##e ##s 9, ##s ##t 9, ##w ##e 8, l ##o 7, ##o ##w 7, n ##e 6, ##e ##w 6, …
    // Ids of the continuing characters are by code point, d e i o r s t w, so of 9 and 9 (##e, ##s) comes first.
    const texts = repeated({ low: 5, lower: 2, newest: 6, widest: 3 });
    const trained = await trainWordPiece(texts, { vocabularySize: 5 + 10 + 8 + 6 });
    expect(piecesOf(trained)).toEqual([
      ...special,
      ...['d', 'e', 'i', 'l', 'n', 'o', 'r', 's', 't', 'w'],
      ...['##d', '##e', '##i', '##o', '##r', '##s', '##t', '##w'],
      // 9, then 9; 7 twice: (l, ##o) has the smaller id; it takes (##o, ##w) with it and leaves (lo, ##w) 7.
      ...['##es', '##est', 'lo', 'low'],
      // n ##e 6, ##e ##w 6, ##w ##est 6: 'n' is smaller than '##e', 'ne' behind both; then (##w, ##est), for ##w is
      // smaller than ne.
      ...['ne', '##west'],
    ]);
    expect(trained).toMatchObject({ vocabularySize: 29, texts: 4, words: 16, distinctWords: 4 });
  });

  it('counts a pair in words that repeat a character as it merges them', async () => {
    // aaaaa is a ##a ##a ##a ##a: (##a, ##a) 3 a word, (a, ##a) 1. Merged from the left: a ##aa ##aa.
    const trained = await trainWordPiece(repeated({ aaaaa: 4 }), { vocabularySize: 100 });
    // Then (a, ##aa) 4 and (##aa, ##aa) 4: 'a' has the smaller id.
    expect(piecesOf(trained).slice(5)).toEqual(['a', '##a', '##aa', 'aaa', 'aaaaa']);
  });

  it('stops where no pair is frequent enough', async () => {
    const texts = repeated({ ab: 3, cd: 2, ef: 1 });
    const characters = ['a', 'b', 'c', 'd', 'e', 'f', '##b', '##d', '##f'];
    const trained = async (minFrequency?: number) =>
      piecesOf(await trainWordPiece(texts, { vocabularySize: 100, minFrequency })).slice(5);
    expect(await trained()).toEqual([...characters, 'ab', 'cd']);
    expect(await trained(1)).toEqual([...characters, 'ab', 'cd', 'ef']);
    expect(await trained(3)).toEqual([...characters, 'ab']);
  });

  it('keeps its counts exact: the same pieces, none twice, as counting everything anew before each merge', async () => {
    for (let seed = 0; seed < 60; seed++) {
      const random = randomSource(seed);
      const letters = 'abc'.slice(0, 1 + (seed % 3));
      const words = Array.from({ length: 60 }, () =>
        Array.from({ length: 1 + Math.floor(random() * 20) }, () => letters[Math.floor(random() * letters.length)]),
      ).map((characters) => characters.join(''));
      const texts = words.map((word, index) => `${word} `.repeat(1 + (index % 7)));
      const trained = await trainWordPiece(texts, { vocabularySize: 400, minFrequency: 1 });
      const pieces = piecesOf(trained);
      expect(pieces).toEqual(countedAnew(texts, pieces.slice(0, 5 + 2 * letters.length), 400));
      expect(new Set(pieces).size).toBe(trained.vocabularySize);
    }
  });

  it('gives the same for the texts in any order, and from an asynchronous source', async () => {
    const options = { vocabularySize: 300 };
    const trained = await trainWordPiece(sentences, options);
    for (const seed of [1, 2, 3]) {
      expect(await trainWordPiece(shuffled(sentences, randomSource(seed)), options)).toEqual(trained);
    }
    async function* source() {
      yield* sentences;
    }
    expect(await trainWordPiece(source(), options)).toEqual(trained);
  });

  it.each([
    ['lowercase', {}],
    ['cased', { lowercase: false }],
    ['another prefix', { continuingPrefix: '@@' }],
    ['more special tokens', { specialTokens: ['[DOC]', '<end>'] }],
  ] as const)('trains a tokenizer that knows every word of its texts and joins to them: %s', async (_, some) => {
    const options: WordPieceOptions = { vocabularySize: 300, ...some };
    const trained = await trainWordPiece(sentences, options);
    const tokenizer = tokenizerOf(trained);
    const { lowercase = true, continuingPrefix = '##', specialTokens = [] } = options;
    expect(piecesOf(trained).slice(0, 5 + specialTokens.length)).toEqual([...special, ...specialTokens]);
    for (const text of sentences) {
      const { ids, tokens } = tokenizer.encode(text);
      expect([tokens[0], tokens.at(-1)]).toEqual(['[CLS]', '[SEP]']);
      expect(tokens).not.toContain('[UNK]');
      expect(ids.map((id) => tokenizer.id_to_token(id))).toEqual(tokens);
      const joined = tokens.slice(1, -1).map((token) => (token.startsWith(continuingPrefix) ? token.slice(2) : token));
      expect(joined.join('')).toBe(lowercase ? plain(text) : text.replace(/\s/g, ''));
      expect(tokenizer.decode(ids, { skip_special_tokens: true }).replace(/\s/g, '')).toBe(joined.join(''));
    }
  });

  it('gives pairs their token types', async () => {
    const tokenizer = tokenizerOf(await trainWordPiece(['a b'], { vocabularySize: 10 }));
    const { tokens, token_type_ids } = tokenizer.encode('a', { text_pair: 'b', return_token_type_ids: true });
    expect(tokens).toEqual(['[CLS]', 'a', '[SEP]', 'b', '[SEP]']);
    expect(token_type_ids).toEqual([0, 0, 0, 1, 1]);
  });

  it('learns nothing from words that its tokenizer does not take', async () => {
    const long = 'z'.repeat(101);
    const trained = await trainWordPiece([`ab ab ${long} ${long}`, `cdé ${'x'.repeat(100)}`], {
      vocabularySize: 300,
      limitAlphabet: 3,
    });
    // The alphabet is x (100), a and b (2 each); c, d, e occur once.
    expect(piecesOf(trained).slice(5, 11)).toEqual(['a', 'b', 'x', '##b', '##x', '##xx']);
    expect(tokenizerOf(trained).tokenize(`ab ${long} cd`)).toEqual(['ab', '[UNK]', '[UNK]']);
    expect(trained.distinctWords).toBe(3);
  });

  it('says how far it is, and stops when it is told to', async () => {
    const seen: WordPieceProgress[] = [];
    await trainWordPiece(['ab ab', 'cd cd'], { vocabularySize: 11, progress: (step) => seen.push(step) });
    expect(seen).toEqual([
      { task: 'count', done: 1 },
      { task: 'count', done: 2 },
    ]);
    const merging: WordPieceProgress[] = [];
    await trainWordPiece(['ab ab', 'cd cd'], { vocabularySize: 13, progress: (step) => merging.push(step) });
    expect(merging.slice(2)).toEqual([
      { task: 'merge', done: 12, total: 13 },
      { task: 'merge', done: 13, total: 13 },
    ]);
    await expect(
      trainWordPiece(sentences, { vocabularySize: 300, signal: AbortSignal.abort(new Error('enough')) }),
    ).rejects.toThrow('enough');
    function* endless() {
      for (;;) yield sentences[0]!;
    }
    await expect(
      trainWordPiece(endless(), { vocabularySize: 300, signal: AbortSignal.timeout(200) }),
    ).rejects.toMatchObject({ name: 'TimeoutError' });
  });

  it.each([
    ['a string for a list of texts', 'text' as never, {}, /texts is the string 'text'; expected a list/],
    ['no texts', undefined as never, {}, /texts is undefined; expected a list/],
    ['a text that is none', ['a', 7 as never], {}, /text 1 is the number 7; expected a string/],
    ['an empty list', [], {}, /0 texts have no word/],
    ['texts of white space', [' ', '\n'], {}, /2 texts have no word/],
    ['no size', ['a'], { vocabularySize: undefined as never }, /vocabularySize is undefined; expected a whole number/],
    ['a size below the special tokens', ['a'], { vocabularySize: 5 }, /vocabularySize is 5; .* from 6 to 67108864/],
    ['a size below the alphabet', ['abc'], { vocabularySize: 9 }, /vocabularySize is 9; .* are 10 pieces already/],
    ['no frequency', ['a'], { minFrequency: 0 }, /minFrequency is 0; expected a whole number from 1 on/],
    ['no alphabet', ['a'], { limitAlphabet: 0.5 }, /limitAlphabet is 0\.5/],
    ['a prefix that can be a word', ['a'], { continuingPrefix: 'x' }, /continuingPrefix is 'x'; expected punctuation/],
    ['an empty prefix', ['a'], { continuingPrefix: '' }, /continuingPrefix is ''/],
    ['a prefix of white space', ['a'], { continuingPrefix: ' ' }, /continuingPrefix is ' '/],
    [
      'a special token that is a word',
      ['a'],
      { specialTokens: ['doc'] },
      /'doc', which is there twice or can be a word/,
    ],
    ['a special token that is a piece', ['a'], { specialTokens: ['##a'] }, /specialTokens has '##a'/],
    ['a special token given twice', ['a'], { specialTokens: ['[A]', '[A]'] }, /specialTokens has '\[A\]'/],
    ["one of BERT's", ['a'], { specialTokens: ['[SEP]'] }, /specialTokens has '\[SEP\]', which is there anyway/],
  ])('fails for %s', async (_, texts, options: Partial<WordPieceOptions>, message) => {
    const failure = trainWordPiece(texts, { vocabularySize: 100, ...options });
    await expect(failure).rejects.toThrow(FlashMLAError);
    await expect(failure).rejects.toMatchObject({ code: 'invalid-argument', message: expect.stringMatching(message) });
  });
});

const sentences = [
  'The actors are wonderful, the music is not: I would not watch it again.',
  'A clever script that trusts its audience, and actors who trust the script!',
  'Crème brûlée, naïve façades, El Niño.',
  'In 1994 they paid $12.50 for 2,000 tickets (twice).',
  '電影 is 映画 in Japanese; 我看电影。',
  'Nobody in the village believed what the ferryman had seen; nobody wanted to.',
  '“Quotes” — dashes… and 🎬 emoji 👍🏽 too.',
];

/** Without white space, case and accents. */
const plain = (text: string): string =>
  text
    .normalize('NFD')
    .replace(/[\s\p{Mn}]/gu, '')
    .toLowerCase();

/** Byte-pair encoding as it is defined: all pairs are counted before each merge, and all words rewritten after it. */
function countedAnew(texts: readonly string[], characters: readonly string[], vocabularySize: number): string[] {
  const pieces = [...characters];
  const words = texts.flatMap((text) =>
    text
      .trim()
      .split(' ')
      .map((word) => [...word].map((character, place) => (place === 0 ? character : `##${character}`))),
  );
  while (pieces.length < vocabularySize) {
    const counts = new Map<string, number>();
    for (const word of words) {
      for (let i = 1; i < word.length; i++) {
        const pair = `${word[i - 1]} ${word[i]}`;
        counts.set(pair, (counts.get(pair) ?? 0) + 1);
      }
    }
    if (counts.size === 0) break;
    const idOf = (pair: string, which: 0 | 1) => pieces.indexOf(pair.split(' ')[which]!);
    const [best] = [...counts.keys()].sort(
      (a, b) => counts.get(b)! - counts.get(a)! || idOf(a, 0) - idOf(b, 0) || idOf(a, 1) - idOf(b, 1),
    );
    const [first, second] = best!.split(' ') as [string, string];
    const merged = first + second.slice(2);
    pieces.push(merged);
    for (const word of words) {
      for (let i = 0; i + 1 < word.length; i++) {
        if (word[i] === first && word[i + 1] === second) word.splice(i, 2, merged);
      }
    }
  }
  return pieces;
}

const shared = fileURLToPath(new URL('../../../../shared/', import.meta.url));

describe.skipIf(!existsSync(shared))('a vocabulary of IMDB and SST-2 (../shared is there)', () => {
  it("takes as many tokens, within 3 %, as the shared model's own of the same size and texts", async () => {
    const data = (name: string) => readFileSync(`${shared}data/${name}`);
    const json = (name: string) => JSON.parse(readFileSync(`${shared}models/sentiment-4l-256/${name}`, 'utf8'));
    const rows = (text: string) => text.trimEnd().split('\n');
    const textsOf = (name: string) =>
      rows(data(name).toString()).map((line) => {
        const { text, a } = JSON.parse(line) as { text?: string; a?: string };
        return (text ?? a)!;
      });
    const reviews = rows(gunzipSync(data('imdb/train.tsv.gz')).toString()).map((row) => row.split('\t')[2]!);
    const trained = await trainWordPiece([...reviews, ...textsOf('glue/sst2.train.jsonl')], { vocabularySize: 8192 });
    expect(trained.vocabularySize).toBe(8192);
    const own = new Tokenizer(json('tokenizer.json'), json('tokenizer_config.json'));
    const tokenizer = tokenizerOf(trained);
    for (const name of ['imdb/test1000.jsonl', 'glue/sst2.dev.jsonl']) {
      const texts = textsOf(name);
      const mean = (by: Tokenizer) => texts.reduce((sum, text) => sum + by.encode(text).ids.length, 0) / texts.length;
      const [ours, theirs] = [mean(tokenizer), mean(own)];
      expect(Math.abs(ours / theirs - 1)).toBeLessThan(0.03);
    }
  }, 120_000);
});
