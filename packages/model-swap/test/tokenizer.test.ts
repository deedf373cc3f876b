import { existsSync, readFileSync } from 'node:fs';
import { Tokenizer } from '@huggingface/tokenizers';
import { describe, expect, it, vi } from 'vitest';
import { TextTokenizer } from '../src/tokenizer.ts';
import { byteLevelTokenizer, vocabularySize, wordPieceTokenizer } from './support/tiny-tokenizers.ts';

const wordPiece = (maxTokens = 100) => {
  const json = wordPieceTokenizer();
  return new TextTokenizer(json, {}, vocabularySize(json), maxTokens);
};
const spell = (tokenizer: TextTokenizer, ids: Iterable<number>) => [...ids].map((id) => tokenizer.token(id)).join(' ');

describe('TextTokenizer', () => {
  it('encodes a text with its special tokens', () => {
    const tokenizer = wordPiece();
    const { ids, types, truncated } = tokenizer.encode('The film was GOODly?');
    expect(spell(tokenizer, ids)).toBe('[CLS] the film was good ##ly [UNK] [SEP]');
    expect([...types]).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
    expect(truncated).toBe(false);
  });

  it('gives an empty text its special tokens alone', () => {
    const tokenizer = wordPiece();
    expect(spell(tokenizer, tokenizer.encode('').ids)).toBe('[CLS] [SEP]');
    expect(spell(tokenizer, tokenizer.encode(['', '']).ids)).toBe('[CLS] [SEP] [SEP]');
  });

  it('encodes pairs with token types', () => {
    const tokenizer = wordPiece();
    const { ids, types } = tokenizer.encode(['good', 'very bad']);
    expect(spell(tokenizer, ids)).toBe('[CLS] good [SEP] very bad [SEP]');
    expect([...types]).toEqual([0, 0, 0, 1, 1, 1]);
  });

  it('encodes words, and knows the first piece of each', () => {
    const tokenizer = wordPiece(7);
    const { ids, words, types, truncated } = tokenizer.encodeWords(['The', 'goodly', 'film', '', 'was', 'bad']);
    expect(spell(tokenizer, ids)).toBe('[CLS] the good ##ly film was [SEP]');
    expect([...words]).toEqual([-1, 0, 1, -1, 2, 4, -1]);
    expect([...types]).toEqual([0, 0, 0, 0, 0, 0, 0]);
    expect(truncated).toBe(true);
    const json = byteLevelTokenizer();
    const roberta = new TextTokenizer(json, {}, vocabularySize(json), 100);
    expect([...roberta.encodeWords(['the', 'good']).ids]).toEqual([...roberta.encode('the good').ids]);
  });

  it('knows its special tokens and the mask', () => {
    const tokenizer = wordPiece();
    expect(tokenizer.specialTokens.map((id) => tokenizer.token(id))).toEqual(['[PAD]', '[UNK]', '[CLS]', '[SEP]']);
    expect(tokenizer.maskToken).toBeUndefined();
    expect(tokenizer.vocabulary).toBe(vocabularySize(wordPieceTokenizer()));
    const json = wordPieceTokenizer();
    const mask = { ...json.added_tokens[0]!, id: vocabularySize(json), content: '[MASK]' };
    const masking = new TextTokenizer({ ...json, added_tokens: [...json.added_tokens, mask] }, {}, 1000, 100);
    expect(masking.maskToken).toBe(mask.id);
    expect(masking.vocabulary).toBe(mask.id + 1);
  });

  it('finds special tokens in the text, and RoBERTa pairs', () => {
    const json = byteLevelTokenizer();
    const tokenizer = new TextTokenizer(json, {}, vocabularySize(json), 100);
    expect(spell(tokenizer, tokenizer.encode(['the good', 'the']).ids)).toBe('<s> the Ġgood </s> </s> the </s>');
    expect(spell(tokenizer, tokenizer.encode('the<pad>').ids)).toBe('<s> the <pad> </s>');
  });

  it('cuts a text that is too long, and says so', () => {
    const tokenizer = wordPiece(6);
    const { ids, truncated } = tokenizer.encode('the film was very very bad');
    expect(spell(tokenizer, ids)).toBe('[CLS] the film was very [SEP]');
    expect(truncated).toBe(true);
    expect(tokenizer.encode('the film was bad').truncated).toBe(false);
    expect(spell(tokenizer, tokenizer.encode('the film was bad', 3).ids)).toBe('[CLS] the [SEP]');
  });

  it.each([
    ['a longer first text', ['the film was very bad', 'not good'], '[CLS] the film [SEP] not good [SEP]'],
    ['a longer second text', ['not', 'the film was very bad'], '[CLS] not [SEP] the film was [SEP]'],
    ['both too long', ['the film was bad', 'very very not good'], '[CLS] the film [SEP] very very [SEP]'],
  ] as const)('cuts a pair with %s from the longer text first', (_, pair, expected) => {
    const tokenizer = wordPiece(7);
    const { ids, truncated } = tokenizer.encode(pair);
    expect(spell(tokenizer, ids)).toBe(expected);
    expect(truncated).toBe(true);
  });

  // The cases of truncate_encodings_longest_first in Hugging Face's tokenizers, which keep 7 tokens.
  it.each([
    [0, 8, 0, 7],
    [2, 8, 2, 5],
    [4, 4, 3, 4],
    [4, 8, 3, 4],
    [8, 2, 5, 2],
    [8, 4, 4, 3],
    [8, 8, 3, 4],
  ])('keeps of %i and %i tokens as many as the reference: %i and %i', (first, second, keptFirst, keptSecond) => {
    const words = (count: number) => 'good '.repeat(count);
    const { ids } = wordPiece(7 + 3).encode([words(first), words(second)]);
    const expected = `[CLS] ${words(keptFirst)}[SEP] ${words(keptSecond)}[SEP]`;
    expect(spell(wordPiece(), ids)).toBe(expected);
  });

  it('reads no more of a very long text than it needs', () => {
    const tokenizer = wordPiece(50);
    const words = 'the film was very bad and ';
    const read = vi.spyOn(Tokenizer.prototype, 'encode');
    const { ids, truncated } = tokenizer.encode(words.repeat(400_000));
    const charactersRead = read.mock.calls.reduce((sum, [text]) => sum + text.length, 0);
    read.mockRestore();
    expect(charactersRead).toBeGreaterThan(0);
    expect(charactersRead).toBeLessThan(10_000);
    expect(truncated).toBe(true);
    expect(ids).toEqual(tokenizer.encode(words.repeat(9)).ids);
    const unbroken = tokenizer.encode('x'.repeat(100_000));
    expect(spell(tokenizer, unbroken.ids)).toBe('[CLS] [UNK] [SEP]');
    const mostlySpace = tokenizer.encode(`good${' '.repeat(100_000)}film`);
    expect(spell(tokenizer, mostlySpace.ids)).toBe('[CLS] good film [SEP]');
  });

  it('turns ids back into text', () => {
    const tokenizer = wordPiece();
    expect(tokenizer.decode(tokenizer.encode('the film was good.').ids)).toBe('the film was good.');
    expect(tokenizer.decode([])).toBe('');
  });

  it('refuses what is not a text', () => {
    const tokenizer = wordPiece();
    expect(() => tokenizer.encode(7 as never)).toThrow('a text is a number; expected a string, or a pair');
    expect(() => tokenizer.encode(['a', 'b', 'c'] as never)).toThrow('a text is a list of 3');
  });

  it('refuses a tokenizer that does not belong to the model', () => {
    const json = wordPieceTokenizer();
    const tokenizer = new TextTokenizer(json, {}, 20, 100);
    expect(() => tokenizer.encode('the film, z')).toThrow(
      /\[model-swap\] tokenizer\.json: it gives the id \d+ \('z'\), but the model has 20/,
    );
    expect(() => new TextTokenizer({ model: {} }, {}, 20, 100)).toThrow(
      "[model-swap] tokenizer.json: it can't be used",
    );
    expect(() => new TextTokenizer(json, {}, 100, 2)).toThrow('fewer than the 3 special ones');
  });
});

const reference = new URL('../../../../shared/data/tokenizer/', import.meta.url);
describe.skipIf(!existsSync(reference))('TextTokenizer on bert-base-uncased (../shared is there)', () => {
  it('gives the ids of the reference implementation', () => {
    const json = JSON.parse(readFileSync(new URL('bert-base-uncased/tokenizer.json', reference), 'utf8'));
    const tokenizer = new TextTokenizer(json, {}, 30522, 1e6);
    const rows = readFileSync(new URL('fixtures/wordpiece_reference.jsonl', reference), 'utf8').trim().split('\n');
    for (const row of rows) {
      const { text, pair, ids, type_ids } = JSON.parse(row);
      const encoded = tokenizer.encode(pair === undefined ? text : [text, pair]);
      expect([...encoded.ids], text).toEqual(ids);
      if (type_ids) expect([...encoded.types], text).toEqual(type_ids);
    }
  });
});
