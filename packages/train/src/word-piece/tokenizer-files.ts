// The two files that a WordPiece tokenizer is, in the form that Hugging Face's `tokenizers` and `transformers` save BERT's
// in and read any other.

/** A JSON object. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** BERT's special tokens; their ids are their places. */
export const bertTokens = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'] as const;
const [pad, unknown, first, separator, mask] = bertTokens;

/** Characters of a word; one that has more is [UNK] to every reader of the file. */
export const maxWordLength = 100;

/** How texts become words, and words pieces. */
export interface WordPieceRules {
  readonly lowercase: boolean;
  readonly continuingPrefix: string;
  /** Begins with `bertTokens`. */
  readonly specialTokens: readonly string[];
}

/**
 * The object of tokenizer.json.
 *
 * @param pieces by id, the special tokens first
 */
export function tokenizerJsonOf(
  pieces: readonly string[],
  { lowercase, continuingPrefix, specialTokens }: WordPieceRules,
): JsonObject {
  const around = (...items: readonly JsonObject[]) => [special(first, 0), ...items, special(separator, 0)];
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: specialTokens.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: true,
      // null: as `lowercase` has it.
      strip_accents: null,
      lowercase,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: around(sequence('A', 0)),
      pair: [...around(sequence('A', 0)), sequence('B', 1), special(separator, 1)],
      special_tokens: Object.fromEntries(
        [first, separator].map((id) => [id, { id, ids: [specialTokens.indexOf(id)], tokens: [id] }]),
      ),
    },
    decoder: { type: 'WordPiece', prefix: continuingPrefix, cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: unknown,
      continuing_subword_prefix: continuingPrefix,
      max_input_chars_per_word: maxWordLength,
      vocab: Object.fromEntries(pieces.map((piece, id) => [piece, id])),
    },
  };
}

/** The object of tokenizer_config.json. */
export function tokenizerConfigOf({ lowercase }: WordPieceRules): JsonObject {
  return {
    tokenizer_class: 'BertTokenizer',
    do_lower_case: lowercase,
    strip_accents: null,
    tokenize_chinese_chars: true,
    pad_token: pad,
    unk_token: unknown,
    cls_token: first,
    sep_token: separator,
    mask_token: mask,
  };
}

const special = (id: string, type: number): JsonObject => ({ SpecialToken: { id, type_id: type } });

const sequence = (id: string, type: number): JsonObject => ({ Sequence: { id, type_id: type } });
