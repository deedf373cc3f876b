// Small random models of each family, in Hugging Face's layout, and folders to put them in.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeSafetensors, type HostTensor, randomNormal, randomSource, tensor } from '@flashmla/tensor';
import { onTestFinished } from 'vitest';
import { byteLevelTokenizer, vocabularySize, withMask, wordPieceTokenizer } from './tiny-tokenizers.ts';

export interface TinyModel {
  config: Record<string, unknown>;
  tokenizer: Record<string, unknown>;
  tensors: Map<string, HostTensor>;
}

export const SIZES = { modelDim: 24, heads: 2, intermediateDim: 40, layers: 2, positions: 48 };

/** What a test may want more of. */
type Depth = Pick<typeof SIZES, 'layers' | 'positions'>;

export const LABELS = { 0: 'negative', 1: 'neutral', 2: 'positive' };

/** Collects named random tensors. */
class TensorMaker {
  readonly tensors = new Map<string, HostTensor>();
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = randomSource(seed);
  }

  matrix(name: string, rows: number, columns: number, deviation = 0.35): this {
    this.tensors.set(name, tensor(normal(this.#random, rows * columns, deviation), [rows, columns]));
    return this;
  }

  vector(name: string, size: number, mean = 0): this {
    this.tensors.set(name, tensor(normal(this.#random, size, 0.1, mean), [size]));
    return this;
  }

  linear(name: string, outFeatures: number, inFeatures: number): this {
    return this.matrix(`${name}.weight`, outFeatures, inFeatures).vector(`${name}.bias`, outFeatures);
  }

  norm(name: string, size: number): this {
    return this.vector(`${name}.weight`, size, 1).vector(`${name}.bias`, size);
  }
}

function addBertTrunk(
  make: TensorMaker,
  prefix: string,
  vocabulary: number,
  types: number,
  { layers, positions }: Depth = SIZES,
): void {
  const { modelDim, intermediateDim } = SIZES;
  make.matrix(`${prefix}embeddings.word_embeddings.weight`, vocabulary, modelDim, 1);
  make.matrix(`${prefix}embeddings.position_embeddings.weight`, positions, modelDim);
  make.matrix(`${prefix}embeddings.token_type_embeddings.weight`, types, modelDim);
  make.norm(`${prefix}embeddings.LayerNorm`, modelDim);
  for (let i = 0; i < layers; i++) {
    const layer = `${prefix}encoder.layer.${i}`;
    for (const name of ['query', 'key', 'value']) make.linear(`${layer}.attention.self.${name}`, modelDim, modelDim);
    make.linear(`${layer}.attention.output.dense`, modelDim, modelDim);
    make.norm(`${layer}.attention.output.LayerNorm`, modelDim);
    make.linear(`${layer}.intermediate.dense`, intermediateDim, modelDim);
    make.linear(`${layer}.output.dense`, modelDim, intermediateDim);
    make.norm(`${layer}.output.LayerNorm`, modelDim);
  }
}

const bertConfig = (vocabulary: number, { layers, positions }: Depth = SIZES) => ({
  vocab_size: vocabulary,
  hidden_size: SIZES.modelDim,
  num_hidden_layers: layers,
  num_attention_heads: SIZES.heads,
  intermediate_size: SIZES.intermediateDim,
  hidden_act: 'gelu',
  max_position_embeddings: positions,
});

/** A BertForSequenceClassification. */
export function tinyBert(seed = 1, depth: Depth = SIZES, labels: Readonly<Record<number, string>> = LABELS): TinyModel {
  const tokenizer = wordPieceTokenizer();
  const vocabulary = vocabularySize(tokenizer);
  const make = new TensorMaker(seed);
  addBertTrunk(make, 'bert.', vocabulary, 2, depth);
  make.linear('bert.pooler.dense', SIZES.modelDim, SIZES.modelDim);
  make.linear('classifier', Object.keys(labels).length, SIZES.modelDim);
  const config = {
    ...bertConfig(vocabulary, depth),
    architectures: ['BertForSequenceClassification'],
    model_type: 'bert',
    type_vocab_size: 2,
    layer_norm_eps: 1e-12,
    pad_token_id: 0,
    id2label: labels,
  };
  return { config, tokenizer, tensors: make.tensors };
}

/** A RobertaForSequenceClassification (also XLM-RoBERTa, which differs in name only). */
export function tinyRoberta(modelType: 'roberta' | 'xlm-roberta' = 'roberta', seed = 2): TinyModel {
  const tokenizer = byteLevelTokenizer();
  const vocabulary = vocabularySize(tokenizer);
  const make = new TensorMaker(seed);
  addBertTrunk(make, 'roberta.', vocabulary, 1);
  make.linear('classifier.dense', SIZES.modelDim, SIZES.modelDim);
  make.linear('classifier.out_proj', 3, SIZES.modelDim);
  const config = {
    ...bertConfig(vocabulary),
    architectures: [
      modelType === 'roberta' ? 'RobertaForSequenceClassification' : 'XLMRobertaForSequenceClassification',
    ],
    model_type: modelType,
    type_vocab_size: 1,
    layer_norm_eps: 1e-5,
    pad_token_id: 1,
    id2label: LABELS,
  };
  return { config, tokenizer, tensors: make.tensors };
}

/** A DistilBertForSequenceClassification. */
export function tinyDistilbert(seed = 3): TinyModel {
  const tokenizer = wordPieceTokenizer();
  const vocabulary = vocabularySize(tokenizer);
  const { modelDim, intermediateDim, layers, positions, heads } = SIZES;
  const make = new TensorMaker(seed);
  make.matrix('distilbert.embeddings.word_embeddings.weight', vocabulary, modelDim, 1);
  make.matrix('distilbert.embeddings.position_embeddings.weight', positions, modelDim);
  make.norm('distilbert.embeddings.LayerNorm', modelDim);
  for (let i = 0; i < layers; i++) {
    const layer = `distilbert.transformer.layer.${i}`;
    for (const name of ['q_lin', 'k_lin', 'v_lin', 'out_lin'])
      make.linear(`${layer}.attention.${name}`, modelDim, modelDim);
    make.norm(`${layer}.sa_layer_norm`, modelDim);
    make.linear(`${layer}.ffn.lin1`, intermediateDim, modelDim);
    make.linear(`${layer}.ffn.lin2`, modelDim, intermediateDim);
    make.norm(`${layer}.output_layer_norm`, modelDim);
  }
  make.linear('pre_classifier', modelDim, modelDim);
  make.linear('classifier', 3, modelDim);
  const config = {
    architectures: ['DistilBertForSequenceClassification'],
    model_type: 'distilbert',
    vocab_size: vocabulary,
    dim: modelDim,
    n_layers: layers,
    n_heads: heads,
    hidden_dim: intermediateDim,
    activation: 'gelu',
    max_position_embeddings: positions,
    pad_token_id: 0,
    id2label: LABELS,
  };
  return { config, tokenizer, tensors: make.tensors };
}

export interface LanguageModelNames {
  readonly hidden: string;
  readonly norm: string;
  readonly bias: string;
}

/** What Hugging Face calls the tensors of a masked language model's head. */
export const LANGUAGE_MODELS: Readonly<Record<string, LanguageModelNames>> = {
  bert: {
    hidden: 'cls.predictions.transform.dense',
    norm: 'cls.predictions.transform.LayerNorm',
    bias: 'cls.predictions.bias',
  },
  roberta: { hidden: 'lm_head.dense', norm: 'lm_head.layer_norm', bias: 'lm_head.bias' },
  'xlm-roberta': { hidden: 'lm_head.dense', norm: 'lm_head.layer_norm', bias: 'lm_head.bias' },
  distilbert: { hidden: 'vocab_transform', norm: 'vocab_layer_norm', bias: 'vocab_projector.bias' },
};

/** The same encoder with a classifier of three labels over each token; what it had of another head stays, and is not read. */
export function withTokenClassifier(model: TinyModel, seed = 11): TinyModel {
  const make = new TensorMaker(seed).linear('classifier', 3, SIZES.modelDim);
  return {
    ...model,
    config: { ...model.config, architectures: ['ForTokenClassification'] },
    tensors: new Map([...model.tensors, ...make.tensors]),
  };
}

/** The same encoder as a masked language model, whose tokenizer has a mask. */
export function withLanguageModel(model: TinyModel, seed = 12): TinyModel {
  const { hidden, norm, bias } = LANGUAGE_MODELS[String(model.config.model_type)]!;
  const { modelDim } = SIZES;
  const make = new TensorMaker(seed)
    .linear(hidden, modelDim, modelDim)
    .norm(norm, modelDim)
    .vector(bias, Number(model.config.vocab_size));
  return {
    config: { ...model.config, architectures: ['ForMaskedLM'] },
    tokenizer: withMask(model.tokenizer),
    tensors: new Map([...model.tensors, ...make.tensors]),
  };
}

/** The files of `model`, as loadModel takes them from memory. */
export function filesOf({ config, tokenizer, tensors }: TinyModel): Record<string, Uint8Array> {
  const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
  return {
    'config.json': json(config),
    'tokenizer.json': json(tokenizer),
    'model.safetensors': encodeSafetensors(tensors),
  };
}

/** A temporary folder with these files; it is gone when the test is. */
export async function folderOf(files: Readonly<Record<string, Uint8Array | string>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'flashmla-model-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(folder, name), bytes);
  return folder;
}

function normal(random: () => number, count: number, deviation: number, mean = 0): Float32Array {
  return randomNormal(count, random).map((x) => mean + deviation * x);
}
