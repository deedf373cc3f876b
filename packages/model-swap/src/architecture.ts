// The one description that every family of encoders is mapped to: sizes, quirks, and which tensors play which part.
// What follows (loading, planning, running) knows no family.

import { type Activation, DeviceTensor, type Nonlinearity } from '@flashmla/tensor';

/** A tensor that a model needs, as its files name it. */
export interface TensorNeed {
  readonly name: string;
  readonly shape: readonly number[];
  /** A matrix that only `linear` reads. */
  readonly linear: boolean;
}

export interface LinearParts<Leaf> {
  readonly weight: Leaf; // [outFeatures, inFeatures]
  readonly bias: Leaf; // [outFeatures]
}

export interface NormParts<Leaf> {
  readonly weight: Leaf; // [modelDim]
  readonly bias: Leaf; // [modelDim]
}

export interface LayerParts<Leaf> {
  readonly query: LinearParts<Leaf>;
  readonly key: LinearParts<Leaf>;
  readonly value: LinearParts<Leaf>;
  readonly output: LinearParts<Leaf>;
  readonly attentionNorm: NormParts<Leaf>;
  readonly intermediate: LinearParts<Leaf>;
  readonly contract: LinearParts<Leaf>;
  readonly outputNorm: NormParts<Leaf>;
}

export interface EmbeddingParts<Leaf> {
  readonly word: Leaf; // [vocabulary, modelDim]
  readonly position: Leaf; // [positions, modelDim]
  readonly type?: Leaf; // [types, modelDim]
  readonly norm: NormParts<Leaf>;
}

/** What a head is for. */
export type HeadName = 'sequence-classification' | 'token-classification' | 'masked-language-model';

/** Logits of rows of hidden states: an optional hidden layer, an optional norm behind it, and the output. */
export interface HeadParts<Leaf> {
  readonly hidden?: LinearParts<Leaf>;
  readonly norm?: NormParts<Leaf>;
  readonly output: {
    /** [classes, modelDim]; absent where it is the table of word embeddings. */
    readonly weight?: Leaf;
    readonly bias: Leaf; // [classes]
  };
}

/** An encoder's tensors by the part they play; `Leaf` is what stands for a tensor. */
export interface EncoderParts<Leaf> {
  readonly embedding: EmbeddingParts<Leaf>;
  readonly layers: readonly LayerParts<Leaf>[];
  /** BERT's linear + tanh over the first token. */
  readonly pooler?: LinearParts<Leaf>;
  readonly head?: HeadParts<Leaf>;
}

/** Whether a model has a part: it must be there, is taken when it is there, or is not looked for. */
export type Presence = 'required' | 'optional' | 'none';

/** Everything about an encoder but its weights. */
export interface Architecture {
  readonly modelType: string;
  readonly modelDim: number;
  readonly heads: number;
  readonly headDim: number;
  readonly intermediateDim: number;
  readonly vocabulary: number;
  /** Rows of the position table. */
  readonly positions: number;
  /** Position of a text's first token; RoBERTa starts after its padding token's number. */
  readonly firstPosition: number;
  /** RoBERTa gives a padding token inside a text the position before the first, and does not count it. */
  readonly skipsPadTokens: boolean;
  /** Rows of the token-type table; 0 = none. */
  readonly types: number;
  readonly padToken: number;
  readonly normEpsilon: number;
  readonly activation: Nonlinearity;
  /** Longest text in tokens, special ones included. */
  readonly maxTokens: number;
  /** A sequence classifier reads each text's first token, a token classifier all tokens, a masked language model the masks. */
  readonly headName: HeadName;
  /** Whether a sequence classifier reads the pooler's output or the first token's hidden state. */
  readonly headReadsPooled: boolean;
  /** Of the head's hidden layer. */
  readonly headActivation: Activation;
  readonly labels: readonly string[];
  readonly pooler: Presence;
  readonly head: Presence;
  /** Tensors may be stored with or without this in front of their names (the head's always without). */
  readonly prefix: string;
  readonly needs: EncoderParts<TensorNeed>;
}

/** A tree of parts with another leaf in the place of each need. */
type Replaced<Tree, Leaf> = Tree extends TensorNeed
  ? Leaf
  : { readonly [Part in keyof Tree]: Replaced<Tree[Part], Leaf> };

/** `needs` with each tensor's need replaced by what `replace` makes of it. */
export function mapNeeds<Tree extends object, Leaf>(
  needs: Tree,
  replace: (need: TensorNeed) => Leaf,
): Replaced<Tree, Leaf> {
  const walk = (part: object): unknown => {
    if (isNeed(part)) return replace(part);
    if (Array.isArray(part)) return part.map(walk);
    return Object.fromEntries(Object.entries(part).map(([name, inner]) => [name, walk(inner)]));
  };
  return walk(needs) as Replaced<Tree, Leaf>;
}

/** All needs in `part`, in order. */
export function listNeeds(part: object): TensorNeed[] {
  return isNeed(part) ? [part] : Object.values(part).flatMap(listNeeds);
}

const isNeed = (part: object): part is TensorNeed => 'shape' in part;

/** What a model with only the tensors for which `has` says yes needs: optional parts that are not there are left out. */
export function presentNeeds(architecture: Architecture, has: (need: TensorNeed) => boolean): EncoderParts<TensorNeed> {
  const { needs, headReadsPooled } = architecture;
  const take = (presence: Presence, part: object | undefined) =>
    part !== undefined && (presence === 'required' || (presence === 'optional' && listNeeds(part).every(has)));
  const pooler = take(architecture.pooler, needs.pooler) ? needs.pooler : undefined;
  const head = take(architecture.head, needs.head) && (pooler || !headReadsPooled) ? needs.head : undefined;
  return { embedding: needs.embedding, layers: needs.layers, ...(pooler && { pooler }), ...(head && { head }) };
}

/** All tensors of `parts`. */
export function partTensors(parts: EncoderParts<DeviceTensor>): DeviceTensor[] {
  const collect = (part: object): DeviceTensor[] =>
    part instanceof DeviceTensor ? [part] : Object.values(part).flatMap(collect);
  return collect(parts);
}
