// JSONL files: one JSON object a line. A row that does not do is an error that names the file and the line.

import { readFile } from 'node:fs/promises';
import type { TextInput } from '@flashmla/model-swap';
import { badInput } from './errors.ts';

export interface LabelledText {
  readonly text: TextInput;
  /** Number of the label among the model's; absent where the row has a score instead. */
  readonly label: number | undefined;
}

/**
 * The texts of a file of `{ text }` rows; `{ a, b? }` will do too, b being the second text of a pair.
 *
 * @param limit rows to read; default all
 */
export async function readTexts(file: string, limit?: number): Promise<TextInput[]> {
  return (await readRows(file, limit)).map((row) => row.text());
}

/**
 * The texts and labels of a file of `{ text, label }` or `{ a, b?, label | score }` rows.
 *
 * @param labels the model's labels; a row names one of them or gives its number
 * @param limit rows to read; default all
 */
export async function readLabelledTexts(
  file: string,
  labels: readonly string[],
  limit?: number,
): Promise<LabelledText[]> {
  return (await readRows(file, limit)).map((row) => ({ text: row.text(), label: row.label(labels) }));
}

/** The text of a file. */
export async function readTextFile(file: string): Promise<string> {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(file));
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    const problem =
      code === 'ENOENT'
        ? 'there is no such file'
        : code === 'ERR_ENCODING_INVALID_ENCODED_DATA'
          ? 'it is not UTF-8 text'
          : code === 'EISDIR'
            ? 'it is a folder'
            : (cause as Error).message;
    throw badInput(`${file} can't be read: ${problem}. Give a readable text file.`, { cause });
  }
}

async function readRows(file: string, limit = Number.POSITIVE_INFINITY): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [index, line] of (await readTextFile(file)).split('\n').entries()) {
    if (rows.length >= limit) break;
    if (line.trim() !== '') rows.push(new Row(`${file}:${index + 1}`, line));
  }
  if (rows.length === 0) throw badInput(`${file} has no rows; expected one JSON object a line.`);
  return rows;
}

/** One line of a file, by its fields. */
class Row {
  readonly #place: string;
  readonly #fields: Readonly<Record<string, unknown>>;

  /** @param place file and line, for messages */
  constructor(place: string, line: string) {
    this.#place = place;
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch (cause) {
      throw badInput(`${place} is not JSON (${(cause as Error).message}); expected one JSON object a line.`, { cause });
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw badInput(`${place} is ${JSON.stringify(value)}; expected a JSON object such as { "text": "…" }.`);
    }
    this.#fields = value as Record<string, unknown>;
  }

  text(): TextInput {
    const { text, a = text, b } = this.#fields;
    if (typeof a !== 'string') {
      const found = Object.keys(this.#fields).join(', ') || 'no fields';
      throw badInput(`${this.#place} has no text (its fields: ${found}); expected { text } or { a, b? }, strings all.`);
    }
    if (b === undefined) return a;
    if (typeof b !== 'string') {
      throw badInput(`${this.#place}: b is ${JSON.stringify(b)}; expected the second text, or leave it out.`);
    }
    return [a, b];
  }

  label(labels: readonly string[]): number | undefined {
    const { label, score } = this.#fields;
    if (label === undefined) {
      if (typeof score === 'number') return undefined;
      throw badInput(`${this.#place} has no label; expected { text, label } or { a, b?, label | score }.`);
    }
    const known = labels.map((name, index) => `${index} '${name}'`).join(', ');
    const index = typeof label === 'string' ? labels.indexOf(label) : Number(label);
    if (Number.isSafeInteger(index) && index >= 0 && index < labels.length) return index;
    throw badInput(`${this.#place}: label is ${JSON.stringify(label)}; this model's labels are ${known}.`);
  }
}
