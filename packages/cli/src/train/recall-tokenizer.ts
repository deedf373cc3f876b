// A tokenizer for the tokens of associative recall, which has no texts: a folder without one would be no model's folder.

import type { AssociativeRecall } from '@flashmla/evaluation';

const special = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];

/** tokenizer.json in which the token of id n is the word `n`, after BERT's special tokens; types it can't tell. */
export function recallTokenizer({ vocabularySize }: AssociativeRecall): Map<string, Uint8Array> {
  const words = Array.from({ length: vocabularySize }, (_, id) => special[id] ?? `${id}`);
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  const json = {
    version: '1.0',
    ...{ truncation: null, padding: null, normalizer: null, post_processor: null, decoder: null },
    added_tokens: special.map((content, id) => ({ id, content, ...flags })),
    pre_tokenizer: { type: 'WhitespaceSplit' },
    model: {
      ...{ type: 'WordPiece', unk_token: '[UNK]', continuing_subword_prefix: '##', max_input_chars_per_word: 100 },
      vocab: Object.fromEntries(words.map((word, id) => [word, id])),
    },
  };
  return new Map([['tokenizer.json', new TextEncoder().encode(`${JSON.stringify(json, null, 2)}\n`)]]);
}
