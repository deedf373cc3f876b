// What the logits of each head say, text by text.

import type { HostTensor } from '@flashmla/tensor';
import type { HeadName } from './architecture.ts';
import type { EncodedText, TextTokenizer } from './tokenizer.ts';

/** What a token classifier says of a token. */
export interface TokenLabel {
  /** Its place among the text's tokens, special ones included. */
  readonly index: number;
  readonly id: number;
  /** As the tokenizer spells it, e.g. '##ly'. */
  readonly token: string;
  /** The word that it is a piece of, counted from 0 (see `wordsOf` of TextTokenizer); a word's label is that of its first piece. */
  readonly word: number;
  /** Of its largest logit. */
  readonly label: string;
  /** Softmax of that logit. */
  readonly score: number;
}

/** What a masked language model finds behind a mask. */
export interface MaskedToken {
  /** Its place among the text's tokens, special ones included. */
  readonly index: number;
  /** The likeliest first. */
  readonly candidates: readonly Candidate[];
}

export interface Candidate {
  readonly id: number;
  /** As the tokenizer spells it, e.g. '##ly'. */
  readonly token: string;
  /** Its probability: softmax over the vocabulary. */
  readonly score: number;
}

/** What a run says in words, by the model's head. */
export interface Answers {
  /** Of a sequence classifier: the label of the largest logit of each text, where there is more than one label. */
  readonly labels?: string[];
  /** Of a model with one label: the score of each text, which is its logit. */
  readonly scores?: number[];
  /** Of a token classifier: the label of each token of each text; special tokens have none. */
  readonly tokenLabels?: TokenLabel[][];
  /** Of a masked language model: what is behind each mask token of each text. */
  readonly masks?: MaskedToken[][];
}

interface Model {
  readonly labels: readonly string[];
  readonly tokenizer: TextTokenizer;
}

const readers: Readonly<
  Record<HeadName, (logits: HostTensor, texts: readonly EncodedText[], model: Model, top: number) => Answers>
> = {
  'sequence-classification'(logits, texts, { labels }) {
    const rows = texts.map((_, text) => rowOf(logits, text));
    if (labels.length === 1) return { scores: rows.map((row) => row[0]!) };
    return { labels: rows.map((row) => labels[largest(row)]!) };
  },

  'token-classification'(logits, texts, { labels, tokenizer }) {
    const longest = logits.shape[1]!;
    const labelOf = (row: Float32Array) => {
      const label = largest(row);
      return { label: labels[label]!, score: probability(row, label) };
    };
    return {
      tokenLabels: texts.map((text, number) => {
        const words = tokenizer.wordsOf(text);
        return [...text.ids.keys()]
          .filter((index) => words[index]! >= 0)
          .map((index) => {
            const id = text.ids[index]!;
            const token = tokenizer.token(id) ?? '';
            return { index, id, token, word: words[index]!, ...labelOf(rowOf(logits, number * longest + index)) };
          });
      }),
    };
  },

  'masked-language-model'(logits, texts, { tokenizer }, top) {
    let row = 0;
    const candidatesOf = (own: Float32Array) =>
      likeliest(own, top).map((id) => ({ id, token: tokenizer.token(id) ?? '', score: probability(own, id) }));
    return {
      masks: texts.map((text) =>
        tokenizer.masksOf(text).map((index) => ({ index, candidates: candidatesOf(rowOf(logits, row++)) })),
      ),
    };
  },
};

/**
 * @param logits float32 [texts, labels], [texts, tokens, labels] or [masks, vocabulary], by the head
 * @param top candidates for each mask
 */
export const answersOf = (
  head: HeadName,
  logits: HostTensor,
  texts: readonly EncodedText[],
  model: Model,
  top: number,
): Answers => readers[head](logits, texts, model, top);

function rowOf({ array, shape }: HostTensor, row: number): Float32Array {
  const width = shape.at(-1)!;
  return (array as Float32Array).subarray(row * width, (row + 1) * width);
}

const largest = (row: Float32Array): number =>
  row.reduce((best, value, index) => (value > row[best]! ? index : best), 0);

/** The `count` largest, by number, the largest first; of equal ones the first. */
function likeliest(row: Float32Array, count: number): number[] {
  const best: number[] = [];
  row.forEach((value, index) => {
    if (best.length === count && value <= row[best.at(-1)!]!) return;
    best.splice(best.findLastIndex((other) => row[other]! >= value) + 1, 0, index);
    if (best.length > count) best.pop();
  });
  return best;
}

/** Softmax of one of the logits. */
function probability(row: Float32Array, index: number): number {
  return 1 / row.reduce((sum, logit) => sum + Math.exp(logit - row[index]!), 0);
}
