// What stands on an encoder while it is trained. Every head reads some rows of the last hidden states, makes a row of logits
// of each, and knows what they should have been.

import type { Architecture, HeadName, HeadParts, LinearParts } from '@flashmla/model-swap';
import type { Example } from '../example.ts';
import type { Parameter } from '../parameter.ts';
import type { Tape } from '../pass/tape.ts';
import type { Value } from '../pass/value.ts';

/** A head's own tensors by the part they play, the pooler that it reads among them. */
export interface TrainedParts<Leaf> extends HeadParts<Leaf> {
  readonly pooler?: LinearParts<Leaf>;
}

/** A batch as a head sees it. */
export interface HeadBatch {
  /** What the encoder reads. */
  readonly texts: readonly Pick<Example, 'ids' | 'types'>[];
  /** Rows of the hidden states [batch · tokens, modelDim] that the head reads. */
  readonly rows: Int32Array;
  /** What is expected of each: the number of its class, or its score where there is one class. */
  readonly targets: Int32Array | Float32Array;
}

export interface Head {
  readonly name: HeadName;
  /** What Hugging Face calls a model with it, behind the family: 'ForSequenceClassification'. */
  readonly suffix: string;
  /** What is wrong with an example, in words, with what was expected; undefined where nothing is. */
  fault(example: Example, architecture: Architecture): string | undefined;
  /** @param random draws what is masked, where something is */
  batch(examples: readonly Example[], architecture: Architecture, random: () => number): HeadBatch;
  /**
   * Logits [rows, classes] of hidden states [rows, modelDim].
   *
   * @param word the table of word embeddings
   * @param drop dropout, where BERT's heads have it
   */
  logits(tape: Tape, hidden: Value, head: HeadOnModel, drop: (value: Value) => Promise<Value>): Promise<Value>;
}

/** A head's tensors on a backend, and what it shares with its encoder. */
export interface HeadOnModel {
  readonly architecture: Architecture;
  readonly parts: TrainedParts<Parameter>;
  /** The table of word embeddings [vocabulary, modelDim]. */
  readonly word: Parameter;
}

/** The layer that makes logits: a layer of the head's own, or the table of word embeddings with a bias. */
export const outputOf = ({ parts, word }: Pick<HeadOnModel, 'parts' | 'word'>): LinearParts<Parameter> => ({
  weight: word,
  ...parts.output,
});

/** The most tokens of a text. */
export const longest = (examples: readonly Pick<Example, 'ids'>[]) =>
  examples.reduce((most, { ids }) => Math.max(most, ids.length), 0);
