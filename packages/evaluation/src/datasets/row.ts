// One row of a file by its fields, whatever the file's form: text and label, or what is wrong with it, and where.

import { invalidFile } from '../errors.ts';

/** One text, or a pair of texts such as premise and hypothesis. */
export type Texts = string | readonly [string, string];

export class Row {
  /** File and line, for messages. */
  readonly place: string;
  readonly #fields: Readonly<Record<string, unknown>>;

  constructor(place: string, fields: Readonly<Record<string, unknown>>) {
    this.place = place;
    this.#fields = fields;
  }

  text(): Texts {
    const { text, a = text, b } = this.#fields;
    if (typeof a !== 'string') {
      const found = Object.keys(this.#fields).join(', ') || 'no fields';
      throw invalidFile(
        `${this.place} has no text (its fields: ${found}); expected { text } or { a, b? }, strings all.`,
      );
    }
    if (b === undefined) return a;
    if (typeof b !== 'string') {
      throw invalidFile(`${this.place}: b is ${JSON.stringify(b)}; expected the second text, or leave it out.`);
    }
    return [a, b];
  }

  /** Whether it has a label or a score. */
  get isAnswered(): boolean {
    return this.#fields.label !== undefined || this.#fields.score !== undefined;
  }

  /** What it has beside its text. */
  answer(): 'label' | 'score' {
    const { label, score } = this.#fields;
    if (label === undefined && score === undefined) {
      throw invalidFile(
        `${this.place} has no label and no score; expected { text, label } or { a, b?, label | score }.`,
      );
    }
    return label === undefined ? 'score' : 'label';
  }

  /** The number of its label; a row has either that or the name. */
  label(names: readonly string[]): number {
    return this.#labelOf(this.#fields.label, names);
  }

  /** The words of a row that gives its text by them; undefined where it gives none. */
  tokens(): readonly string[] | undefined {
    const { tokens } = this.#fields;
    if (tokens === undefined) return undefined;
    if (Array.isArray(tokens) && tokens.every((token) => typeof token === 'string')) return tokens;
    throw invalidFile(`${this.place}: tokens is ${JSON.stringify(tokens)}; expected a list of words.`);
  }

  /** The words of a row whose words have labels, and the number of each one's label; it has that or the name. */
  words(names: readonly string[]): { words: readonly string[]; labels: readonly number[] } {
    const { tokens, labels } = this.#fields;
    const fits =
      Array.isArray(tokens) &&
      Array.isArray(labels) &&
      tokens.length === labels.length &&
      tokens.every((token) => typeof token === 'string');
    if (!fits) {
      const found = Object.entries(this.#fields).map(([name, value]) =>
        Array.isArray(value) ? `${name}, a list of ${value.length}` : name,
      );
      throw invalidFile(
        `${this.place} has no labelled words (its fields: ${found.join('; ') || 'none'}); expected { tokens, labels }, lists of ` +
          'one length, of strings and of labels.',
      );
    }
    return { words: tokens, labels: labels.map((label) => this.#labelOf(label, names)) };
  }

  /** @param range the least score and the most; without it any number will do */
  score(range?: readonly [least: number, most: number]): number {
    const { score } = this.#fields;
    if (typeof score === 'number' && (!range || (score >= range[0] && score <= range[1]))) return score;
    const expectation = range ? ` from ${range[0]} to ${range[1]}` : '';
    throw invalidFile(`${this.place}: score is ${JSON.stringify(score)}; expected a number${expectation}.`);
  }

  #labelOf(label: unknown, names: readonly string[]): number {
    const index = typeof label === 'string' ? names.indexOf(label) : label;
    if (Number.isSafeInteger(index) && names[index as number] !== undefined) return index as number;
    const known = names.map((name, number) => `${number} '${name}'`).join(', ');
    throw invalidFile(`${this.place}: label is ${JSON.stringify(label)}; expected one of ${known}.`);
  }
}
