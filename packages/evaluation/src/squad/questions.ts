// The files of SQuAD v1.1: the data set, and predictions as its official script takes them.

import { invalidFile } from '../errors.ts';
import { readTextFile } from '../files.ts';

export interface Question {
  readonly id: string;
  /** At least one. */
  readonly answers: readonly string[];
}

/** The questions of a SQuAD v1.1 file. Raises FlashMLAError 'invalid-file', naming the place in it. */
export async function readSquadQuestions(file: string): Promise<Question[]> {
  const root = new Place(file, await readJson(file));
  const version = root.fields().version;
  if (version !== undefined && version !== '1.1') {
    throw invalidFile(
      `${file} is SQuAD ${JSON.stringify(version)}; expected version "1.1", whose questions all have answers.`,
    );
  }
  return root
    .list('data')
    .flatMap((article) => article.list('paragraphs'))
    .flatMap((paragraph) => paragraph.list('qas'))
    .map((question) => ({
      id: question.text('id'),
      answers: question.list('answers').map((answer) => answer.text('text')),
    }));
}

/** Predictions: a JSON object of answers by the ids of questions. Raises FlashMLAError 'invalid-file'. */
export async function readSquadPredictions(file: string): Promise<Map<string, string>> {
  const root = new Place(file, await readJson(file));
  return new Map(Object.keys(root.fields()).map((id) => [id, root.text(id)]));
}

async function readJson(file: string): Promise<unknown> {
  const text = await readTextFile(file);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw invalidFile(`${file} is not JSON: ${(cause as Error).message}.`, { cause });
  }
}

/** A value in a JSON file, and where it is. */
class Place {
  readonly #path: string;
  readonly #value: unknown;

  constructor(path: string, value: unknown) {
    this.#path = path;
    this.#value = value;
  }

  fields(): Readonly<Record<string, unknown>> {
    if (typeof this.#value === 'object' && this.#value !== null && !Array.isArray(this.#value)) {
      return this.#value as Record<string, unknown>;
    }
    throw this.#wrong(this.#path, this.#value, 'an object');
  }

  /** The entries of a field that is a list of at least one. */
  list(name: string): Place[] {
    const value = this.fields()[name];
    const path = `${this.#path}: ${name}`;
    if (!Array.isArray(value) || value.length === 0) throw this.#wrong(path, value, 'a list of at least one');
    return value.map((entry, index) => new Place(`${path}[${index}]`, entry));
  }

  text(name: string): string {
    const value = this.fields()[name];
    if (typeof value === 'string') return value;
    throw this.#wrong(`${this.#path}: ${name}`, value, 'a text');
  }

  #wrong(path: string, value: unknown, expectation: string): Error {
    const found = value === undefined ? 'missing' : JSON.stringify(value).slice(0, 40);
    return invalidFile(`${path} is ${found}; expected ${expectation}, as SQuAD v1.1 has it.`);
  }
}
