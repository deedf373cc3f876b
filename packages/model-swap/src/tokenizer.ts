// Text to token ids. The rules are the model's own tokenizer.json, run by @huggingface/tokenizers; what is added here
// is truncation to the model's length, which that package leaves to its callers.

import { FlashMLAError } from '@flashmla/tensor';
import { Tokenizer } from '@huggingface/tokenizers';
import { invalidFile, isJsonObject, type JsonObject } from './files/text-file.ts';

/** One text, or a pair of texts such as premise and hypothesis. */
export type TextInput = string | readonly [string, string];

export interface EncodedText {
  readonly ids: Int32Array; // [tokens], special ones included
  /** Token types: 0, and 1 for the second text of a pair where the tokenizer says so. */
  readonly types: Int32Array; // [tokens]
  /** Whether the text was longer than the model takes, and its end was left out. */
  readonly truncated: boolean;
}

/** A text that is given in words. */
export interface EncodedWords extends EncodedText {
  /** The word that each token is the first piece of, by number; −1 for its other pieces and for special tokens. */
  readonly words: Int32Array; // [tokens]
}

/** Characters to read first for each token that is wanted; real text has 2 to 6. */
const CHARACTERS_PER_TOKEN = 8;

export class TextTokenizer {
  /** Longest text in tokens, special ones included. */
  readonly maxTokens: number;
  readonly #tokenizer: Tokenizer;
  readonly #vocabulary: number;
  readonly #single: Frame;
  readonly #pair: Frame;
  /** Ids of the tokens around texts. */
  readonly #framing: ReadonlySet<number>;
  /** What the pieces of a word but the first begin with; undefined where words are told by what the first begins with. */
  readonly #continuation: string | undefined;

  /**
   * @param tokenizerJson tokenizer.json
   * @param tokenizerConfig tokenizer_config.json, {} where there is none
   * @param vocabulary rows of the model's word table; an id past it is an error
   */
  constructor(tokenizerJson: JsonObject, tokenizerConfig: JsonObject, vocabulary: number, maxTokens: number) {
    try {
      this.#tokenizer = new Tokenizer(tokenizerJson, tokenizerConfig);
      this.#single = frameOf(this.#tokenizer, false);
      this.#pair = frameOf(this.#tokenizer, true);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw invalidFile('tokenizer.json', `it can't be used: ${reason}`, { cause });
    }
    this.#vocabulary = vocabulary;
    this.maxTokens = maxTokens;
    this.#continuation = continuationOf(tokenizerJson);
    const frames = [this.#single, this.#pair];
    this.#framing = new Set(frames.flatMap(({ items }) => items.flatMap((item) => ('id' in item ? [item.id] : []))));
    for (const frame of frames) {
      const { specialTokens } = frame;
      if (specialTokens > maxTokens) {
        throw invalidFile(
          'config.json',
          `the model takes ${maxTokens} tokens, fewer than the ${specialTokens} special ones that tokenizer.json adds.`,
        );
      }
    }
    this.#checkIds([...this.#framing]);
  }

  /** @param maxTokens longest result, special tokens included; at most the model's own limit */
  encode(text: TextInput, maxTokens = this.maxTokens): EncodedText {
    const texts = typeof text === 'string' ? [text] : text;
    if (!Array.isArray(texts) || texts.length > 2 || !texts.every((one) => typeof one === 'string')) {
      throw new FlashMLAError(
        'invalid-argument',
        `[model-swap] a text is ${describe(text)}; expected a string, or a pair of strings [first, second].`,
      );
    }
    const frame = texts.length === 2 ? this.#pair : this.#single;
    const room = Math.max(0, Math.min(maxTokens, this.maxTokens) - frame.specialTokens);
    const parts = texts.map((one) => this.#idsOf(one, room));
    const kept = fit(
      parts.map(({ length }) => length),
      room,
    );
    const ids: number[] = [];
    const types: number[] = [];
    for (const item of frame.items) {
      if ('id' in item) {
        ids.push(item.id);
        types.push(item.type);
      } else {
        for (let i = 0; i < kept[item.text]!; i++) {
          ids.push(parts[item.text]![i]!);
          types.push(item.type);
        }
      }
    }
    if (ids.length === 0) {
      throw new FlashMLAError(
        'invalid-argument',
        '[model-swap] a text has no tokens, and this tokenizer adds no special ones; leave empty texts out.',
      );
    }
    const truncated = parts.some((part, index) => part.length > kept[index]!);
    return { ids: Int32Array.from(ids), types: Int32Array.from(types), truncated };
  }

  /**
   * A text by its words, as `encode` does it with the words parted by spaces. A word that the tokenizer makes nothing of is
   * the first piece of no token.
   */
  encodeWords(words: readonly string[], maxTokens = this.maxTokens): EncodedWords {
    const { items, specialTokens } = this.#single;
    const room = Math.max(0, Math.min(maxTokens, this.maxTokens) - specialTokens);
    const pieces = words.flatMap((word, index) => {
      const ids = this.#idsOf(index === 0 ? word : ` ${word}`, room);
      return ids.map((id, piece) => ({ id, word: piece === 0 ? index : -1 }));
    });
    const tokens = items.flatMap((item) =>
      ('id' in item ? [{ id: item.id, word: -1 }] : pieces.slice(0, room)).map((token) => ({
        ...token,
        type: item.type,
      })),
    );
    return {
      ids: Int32Array.from(tokens, ({ id }) => id),
      types: Int32Array.from(tokens, ({ type }) => type),
      words: Int32Array.from(tokens, ({ word }) => word),
      truncated: pieces.length > room,
    };
  }

  /**
   * The word that each token is a piece of, counted from 0; −1 for the special tokens around texts. Words are those that the
   * text was encoded by; of a text that was not encoded by words, what the tokenizer makes pieces of: a word that it knows
   * by WordPiece, what stands between spaces else.
   */
  wordsOf({ ids, ...text }: EncodedText | EncodedWords): Int32Array {
    let word = -1;
    let isInside = false;
    return ids.map((id, place) => {
      if (this.#framing.has(id)) {
        isInside = false;
        return -1;
      }
      if ('words' in text) word = Math.max(word, text.words[place]!);
      else if (!isInside || !this.#continues(id)) word++;
      isInside = true;
      return word;
    });
  }

  /** Ids that stand for no text: padding, the beginning and the end of a text, the mask. */
  get specialTokens(): number[] {
    return [...this.#tokenizer.get_added_tokens_decoder()].filter(([, { special }]) => special).map(([id]) => id);
  }

  /** The id of the token that hides a word from a masked language model; undefined where there is none. */
  get maskToken(): number | undefined {
    const names = ['[MASK]', '<mask>'];
    return this.specialTokens.find((id) => names.includes(this.token(id) ?? ''));
  }

  /** Where masks are among the tokens of a text. */
  masksOf({ ids }: Pick<EncodedText, 'ids'>): number[] {
    const { maskToken } = this;
    return [...ids.keys()].filter((place) => ids[place] === maskToken);
  }

  /** One more than the largest id there is. */
  get vocabulary(): number {
    return Math.max(...this.#tokenizer.get_vocab(true).values()) + 1;
  }

  /** The token of an id, as tokenizer.json spells it. */
  token(id: number): string | undefined {
    return this.#tokenizer.id_to_token(id);
  }

  /** The text that `ids` stand for, special tokens left out. */
  decode(ids: Iterable<number>): string {
    const list = [...ids];
    return list.length === 0 ? '' : this.#tokenizer.decode(list, { skip_special_tokens: true });
  }

  #continues(id: number): boolean {
    const token = this.token(id) ?? '';
    return this.#continuation === undefined ? !/^[Ġ▁]/.test(token) : token.startsWith(this.#continuation);
  }

  /** Ids of a text alone; of a text that has more than `room` tokens, at least `room` + 1 of them. */
  #idsOf(text: string, room: number): number[] {
    // A text is read in growing pieces, each cut at a white space, where no tokenizer's word goes on: of a whole book
    // only the beginning is tokenized.
    for (let length = CHARACTERS_PER_TOKEN * (room + 1); length < text.length; length *= 4) {
      const space = text.slice(0, length).search(/\s\S*$/);
      if (space <= 0) continue;
      const ids = this.#tokenizer.encode(text.slice(0, space), { add_special_tokens: false }).ids;
      if (ids.length > room) {
        this.#checkIds(ids);
        return ids;
      }
    }
    const { ids } = this.#tokenizer.encode(text, { add_special_tokens: false });
    this.#checkIds(ids);
    return ids;
  }

  #checkIds(ids: readonly (number | undefined)[]): void {
    const bad = ids.findIndex((id) => id === undefined || id >= this.#vocabulary);
    if (bad === -1) return;
    throw invalidFile(
      'tokenizer.json',
      ids[bad] === undefined
        ? 'a token has no id and there is no token for the unknown; the tokenizer does not belong to this model.'
        : `it gives the id ${ids[bad]} ('${this.token(ids[bad])}'), but the model has ${this.#vocabulary} word embeddings; ` +
            'tokenizer and weights do not belong together.',
    );
  }
}

function continuationOf({ model }: JsonObject): string | undefined {
  if (!isJsonObject(model) || model.type !== 'WordPiece') return undefined;
  return typeof model.continuing_subword_prefix === 'string' ? model.continuing_subword_prefix : '##';
}

/** What stands around the texts: special tokens, and the places of the texts with their token types. */
interface Frame {
  readonly items: readonly (
    | { readonly id: number; readonly type: number }
    | { readonly text: 0 | 1; readonly type: number }
  )[];
  readonly specialTokens: number;
}

/** The tokenizer's post-processing, learned from where it puts two marks. */
function frameOf(tokenizer: Tokenizer, pair: boolean): Frame {
  const marks = pair ? ['\u0000first', '\u0000second'] : ['\u0000first'];
  const processed = tokenizer.post_processor?.post_process([marks[0]!], pair ? [marks[1]!] : null, true);
  const tokens = [...(processed?.tokens ?? marks)];
  // Byte-level post-processing alone adds nothing, and returns a second text apart from the first.
  for (const mark of marks) if (!tokens.includes(mark)) tokens.push(mark);
  const items = tokens.map((token, index) => {
    const type = processed?.token_type_ids?.[index] ?? 0;
    const text = marks.indexOf(token);
    if (text >= 0) return { text: text as 0 | 1, type };
    const id = tokenizer.token_to_id(token);
    if (id === undefined) throw new Error(`its post_processor adds '${token}', which is not in the vocabulary`);
    return { id, type };
  });
  return { items, specialTokens: items.length - marks.length };
}

/**
 * How many tokens to keep of each text so that they fit into `room`: tokens go from the end of the longer one first, as
 * 'longest_first' does in Hugging Face's tokenizers (truncation.rs): of two that both must be cut, the longer keeps the odd
 * token, and the second if they are equally long.
 */
function fit(lengths: readonly number[], room: number): number[] {
  const [first = 0, second] = lengths;
  if (second === undefined) return [Math.min(first, room)];
  if (first + second <= room) return [first, second];
  const half = Math.floor(room / 2);
  if (Math.min(first, second) <= half) {
    return first > second ? [room - second, second] : [first, room - first];
  }
  return first > second ? [room - half, half] : [half, room - half];
}

function describe(value: unknown): string {
  return Array.isArray(value) ? `a list of ${value.length}` : value === null ? 'null' : `a ${typeof value}`;
}
