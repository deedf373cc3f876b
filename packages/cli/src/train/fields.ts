// One object of a JSON file, field after field: whoever reads it says what is expected, and a field that nobody read is an
// error, so that a misspelt one is never silently without effect.

import { describeValue } from '@flashmla/tensor';
import { badInput } from '../errors.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * What `read` makes of the object in a file. Raises for what is none, and for a field that was not read.
 *
 * @param path of the object in the file, for messages: 'training.sparse'; absent: it is the file's
 */
export function readFields<Result>(
  value: unknown,
  file: string,
  read: (fields: Fields) => Result,
  path?: string,
): Result {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw badInput(`${path === undefined ? file : `${file}: ${path}`} is ${describe(value)}; expected an object.`);
  }
  const fields = new Fields(value as JsonObject, file, path);
  const result = read(fields);
  fields.checkAllRead();
  return result;
}

export class Fields {
  readonly #values: JsonObject;
  readonly #file: string;
  readonly #path: string | undefined;
  readonly #known = new Set<string>();

  constructor(values: JsonObject, file: string, path: string | undefined) {
    this.#values = values;
    this.#file = file;
    this.#path = path;
  }

  has(name: string): boolean {
    this.#known.add(name);
    return this.#values[name] !== undefined;
  }

  text(name: string): string | undefined {
    return this.#read(name, 'a text that is not empty', (value) => typeof value === 'string' && value !== '');
  }

  number(name: string): number | undefined {
    return this.#read(name, 'a number', Number.isFinite);
  }

  /** Those of `names` that are there. */
  numbers<Name extends string>(...names: readonly Name[]): { [Key in Name]?: number } {
    const given = names.filter((name) => this.has(name)).map((name) => [name, this.number(name)]);
    return Object.fromEntries(given) as { [Key in Name]?: number };
  }

  whole(name: string, least: number): number | undefined {
    return this.#read(
      name,
      `a whole number ≥ ${least}`,
      (value) => Number.isSafeInteger(value) && (value as number) >= least,
    );
  }

  choice<Choice extends string>(name: string, choices: readonly Choice[]): Choice | undefined {
    return this.#read(name, `one of ${choices.join(', ')}`, (value) => choices.some((choice) => choice === value));
  }

  /** Texts, none twice. */
  texts(name: string): readonly string[] | undefined {
    return this.#read(name, 'a list of different texts', (value) => {
      const isTexts = Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === 'string');
      return isTexts && new Set(value).size === value.length;
    });
  }

  object<Result>(name: string, read: (fields: Fields) => Result): Result | undefined {
    return this.has(name) ? readFields(this.#values[name], this.#file, read, this.#pathOf(name)) : undefined;
  }

  /** An object as it is, whoever it is for. */
  anything(name: string): JsonObject | undefined {
    return this.#read(name, 'an object', (value) => typeof value === 'object' && !Array.isArray(value));
  }

  /** A list of objects, at least one. */
  list<Result>(name: string, read: (fields: Fields) => Result): readonly Result[] | undefined {
    const list = this.#read<readonly unknown[]>(
      name,
      'a list of at least one object',
      (value) => Array.isArray(value) && value.length > 0,
    );
    return list?.map((one, index) => readFields(one, this.#file, read, `${this.#pathOf(name)}[${index}]`));
  }

  isList(name: string): boolean {
    return Array.isArray(this.#values[name]);
  }

  /** Raises for a field that is not as it has to be, or missing. */
  wrong(name: string, expected: string): never {
    const value = this.#values[name];
    throw badInput(
      `${this.#file}: ${this.#pathOf(name)} is ${value === undefined ? 'missing' : describe(value)}; expected ${expected}.`,
    );
  }

  checkAllRead(): void {
    const unknown = Object.keys(this.#values).find((name) => !this.#known.has(name));
    if (unknown === undefined) return;
    throw badInput(
      `${this.#file}: ${this.#pathOf(unknown)} is no field that is known here; there are ${[...this.#known].sort().join(', ')}.`,
    );
  }

  #read<Value>(name: string, expected: string, fits: (value: unknown) => boolean): Value | undefined {
    if (!this.has(name)) return undefined;
    const value = this.#values[name];
    return value !== null && fits(value) ? (value as Value) : this.wrong(name, expected);
  }

  #pathOf(name: string): string {
    return this.#path === undefined ? name : `${this.#path}.${name}`;
  }
}

const describe = (value: unknown) => (Array.isArray(value) ? `a list of ${value.length}` : describeValue(value));
