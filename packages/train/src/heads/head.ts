// What stands on an encoder while it is trained. Every head reads some rows of the last hidden states, makes a row of logits
// of each, and knows what they should have been.

import type { Architecture, LinearParts, NormParts, TensorNeed } from '@flashmla/model-swap';
import type { Example } from '../example.ts';
import type { Parameter } from '../parameter.ts';
import type { Tape } from '../pass/tape.ts';
import type { Value } from '../pass/value.ts';

export type HeadName = 'sequence-classification' | 'token-classification' | 'masked-language-model';

/** A head's own tensors by the part they play; `Leaf` is what stands for a tensor. */
export interface HeadParts<Leaf> {
  /** BERT's linear + tanh over the first token. */
  readonly pooler?: LinearParts<Leaf>;
  /** A layer between the hidden states and the output. */
  readonly hidden?: LinearParts<Leaf>;
  readonly norm?: NormParts<Leaf>;
  /** Logits: a layer of its own, or the table of word embeddings with a bias of its own. */
  readonly output: LinearParts<Leaf> | { readonly bias: Leaf };
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
  /** Its tensors, as Hugging Face names them in a model of this architecture. */
  needs(architecture: Architecture): HeadParts<TensorNeed>;
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
  readonly parts: HeadParts<Parameter>;
  /** The table of word embeddings [vocabulary, modelDim]. */
  readonly word: Parameter;
}

/** The most tokens of a text. */
export const longest = (examples: readonly Pick<Example, 'ids'>[]) =>
  examples.reduce((most, { ids }) => Math.max(most, ids.length), 0);
