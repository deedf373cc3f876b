import { expect, test } from 'vitest';
import { tokenTexts } from '../src/token-text.ts';

const join = (pieces: readonly string[]) =>
  tokenTexts(pieces)
    .map(({ text, space }) => (space ? ` ${text}` : text))
    .join('');

test('WordPiece: pieces joined, punctuation where it belongs', () => {
  const pieces = ['[CLS]', 'the', 'ferry', '##men', ',', 'who', 'don', "'", 't', 'say', '(', 'much', ')', '.', '[SEP]'];
  expect(join(pieces)).toBe(" [CLS] the ferrymen, who don't say (much). [SEP]");
});

test('byte-level BPE and SentencePiece: a mark begins a word', () => {
  expect(join(['<s>', 'The', 'Ġferry', 'men', '.', '</s>'])).toBe(' <s>The ferrymen. </s>');
  expect(join(['<s>', '▁The', '▁ferry', 'men', '.', '</s>'])).toBe(' <s> The ferrymen. </s>');
});
