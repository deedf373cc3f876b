// Reading config.json: each value checked, each error naming the field.

import type { Nonlinearity } from '@flashmla/tensor';
import { FlashMLAError } from '@flashmla/tensor';
import type { HeadName, Presence } from './architecture.ts';
import { invalidFile, isJsonObject, type JsonObject } from './files/text-file.ts';

/** A model's config.json. */
export class Config {
  readonly fields: JsonObject;

  constructor(fields: JsonObject) {
    this.fields = fields;
  }

  /** A whole number ≥ `least`. Without a fallback the field must be there. */
  whole(name: string, least: number, fallback?: number): number {
    const value = this.fields[name] ?? fallback;
    if (!Number.isSafeInteger(value) || (value as number) < least) {
      throw this.wrong(name, `expected a whole number ≥ ${least}`);
    }
    return value as number;
  }

  positive(name: string, fallback: number): number {
    const value = this.fields[name] ?? fallback;
    if (typeof value !== 'number' || !(value > 0)) throw this.wrong(name, 'expected a number > 0');
    return value;
  }

  /** Raises when the field is there and is not one of `supported`. */
  only(name: string, ...supported: readonly unknown[]): void {
    const value = this.fields[name] ?? supported[0];
    if (supported.includes(value)) return;
    throw new FlashMLAError(
      'unsupported',
      `[model-swap] config.json: ${name} is ${JSON.stringify(value)}; supported: ${supported.map((one) => JSON.stringify(one)).join(', ')}.`,
    );
  }

  activation(name: string): Nonlinearity {
    const value = this.fields[name] ?? 'gelu';
    const activation = typeof value === 'string' && Object.hasOwn(ACTIVATIONS, value) && ACTIVATIONS[value];
    if (!activation) {
      throw new FlashMLAError(
        'unsupported',
        `[model-swap] config.json: ${name} is ${JSON.stringify(value)}; supported: ${Object.keys(ACTIVATIONS).join(', ')}.`,
      );
    }
    return activation;
  }

  /** Names of the labels by number; Hugging Face's defaults where config.json has none. */
  labels(): string[] {
    const names = this.fields.id2label;
    if (names !== undefined && !isJsonObject(names))
      throw this.wrong('id2label', 'expected an object of names by number');
    const count = names ? Object.keys(names).length : this.whole('num_labels', 1, 2);
    return Array.from({ length: count }, (_, label) => {
      const name = names?.[label] ?? `LABEL_${label}`;
      if (typeof name !== 'string') throw this.wrong('id2label', `expected the name of label ${label}`);
      return name;
    });
  }

  /**
   * Which head the files hold, by `architectures`. Heads of several tasks share their tensors' names, so that the names
   * alone would not tell: where none is named, what is there is a sequence classifier's.
   */
  head(): { headName: HeadName; head: Presence } {
    const architectures = this.fields.architectures;
    const headName = 'sequence-classification';
    if (!Array.isArray(architectures) || architectures.length === 0) return { headName, head: 'optional' };
    const named = Object.entries(HEADS).find(([suffix]) => architectures.some((name) => String(name).endsWith(suffix)));
    if (!named) return { headName, head: 'none' };
    if (named[1] === 'masked-language-model') this.only('tie_word_embeddings', true);
    return { headName: named[1], head: 'required' };
  }

  private wrong(name: string, expectation: string): Error {
    const value = this.fields[name];
    const given = value === undefined ? 'missing' : JSON.stringify(value);
    return invalidFile('config.json', `${name} is ${given}; ${expectation}.`);
  }
}

/** What the names of Hugging Face's models end in. */
const HEADS: Readonly<Record<string, HeadName>> = {
  ForSequenceClassification: 'sequence-classification',
  ForTokenClassification: 'token-classification',
  ForMaskedLM: 'masked-language-model',
  // BERT as its authors published it: a masked language model, and a second head that is not read.
  ForPreTraining: 'masked-language-model',
};

const ACTIVATIONS: Readonly<Record<string, Nonlinearity>> = {
  gelu: 'gelu',
  gelu_new: 'gelu-tanh',
  gelu_pytorch_tanh: 'gelu-tanh',
  relu: 'relu',
};
