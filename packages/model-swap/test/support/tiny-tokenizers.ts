// Two small tokenizer.json files made from nothing: WordPiece as BERT has it, byte-level BPE as RoBERTa has it.

const LETTERS = [...'abcdefghijklmnopqrstuvwxyz'];

function vocabularyOf(tokens: readonly string[]): Record<string, number> {
  return Object.fromEntries(tokens.map((token, id) => [token, id]));
}

function addedTokens(tokens: readonly string[]) {
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  return tokens.map((content, id) => ({ id, content, ...flags }));
}

const WORDS = ['the', 'good', 'bad', 'film', 'was', 'not', 'very', 'a', 'and', '##ly', '##ing', '.', ',', '!'];

/** Ids: [PAD] 0, [UNK] 1, [CLS] 2, [SEP] 3, then words and letters. */
export function wordPieceTokenizer() {
  const specials = ['[PAD]', '[UNK]', '[CLS]', '[SEP]'];
  const tokens = [...specials, ...new Set([...WORDS, ...LETTERS, ...LETTERS.map((letter) => `##${letter}`)])];
  const special = (id: string, type_id: number) => ({ SpecialToken: { id, type_id } });
  const sequence = (id: string, type_id: number) => ({ Sequence: { id, type_id } });
  const first = [special('[CLS]', 0), sequence('A', 0), special('[SEP]', 0)];
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: addedTokens(specials),
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: first,
      pair: [...first, sequence('B', 1), special('[SEP]', 1)],
      special_tokens: {
        '[CLS]': { id: '[CLS]', ids: [2], tokens: ['[CLS]'] },
        '[SEP]': { id: '[SEP]', ids: [3], tokens: ['[SEP]'] },
      },
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: vocabularyOf(tokens),
    },
  };
}

/** Ids: <s> 0, <pad> 1, </s> 2, <unk> 3, then letters, 'Ġ' (a space before a word) and what the merges make. */
export function byteLevelTokenizer() {
  const specials = ['<s>', '<pad>', '</s>', '<unk>'];
  const merges: [string, string][] = [
    ['t', 'h'],
    ['th', 'e'],
    ['Ġ', 'the'],
    ['g', 'o'],
    ['o', 'd'],
    ['go', 'od'],
    ['Ġ', 'good'],
    ['Ġ', 'b'],
  ];
  const tokens = [...specials, ...LETTERS, 'Ġ', '.', ',', '!', ...merges.map((pair) => pair.join(''))];
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: addedTokens(specials),
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true },
    post_processor: {
      type: 'RobertaProcessing',
      sep: ['</s>', 2],
      cls: ['<s>', 0],
      trim_offsets: true,
      add_prefix_space: false,
    },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: '<unk>',
      continuing_subword_prefix: '',
      end_of_word_suffix: '',
      fuse_unk: false,
      vocab: vocabularyOf(tokens),
      merges,
    },
  };
}

export function vocabularySize(tokenizer: { model: { vocab: Record<string, number> } }): number {
  return Object.keys(tokenizer.model.vocab).length;
}

/** The same tokenizer with a mask in the place of the exclamation mark. */
export function withMask(tokenizer: Record<string, unknown>) {
  const { added_tokens, model, ...rest } = tokenizer as ReturnType<typeof wordPieceTokenizer>;
  const content = model.type === 'WordPiece' ? '[MASK]' : '<mask>';
  const { '!': id, ...others } = model.vocab;
  const mask = { ...added_tokens[0]!, id: id!, content };
  return {
    ...rest,
    added_tokens: [...added_tokens, mask],
    model: { ...model, vocab: { ...others, [content]: id! } },
  };
}
