// A BERT that is made up: its sizes are real, its weights random, its words those of the sample texts. For measuring
// where no model is at hand, and at lengths that no published one takes.

import { type ModelFiles, sampleTexts } from '@flashmla/model-swap';
import { encodeSafetensors, type HostTensor, randomNormal, randomSource, tensor } from '@flashmla/tensor';
import type { Geometry } from './geometry.ts';
import type { LayerWeights } from './onnx/weights.ts';
import { randomLayer } from './random-layer.ts';

/** BERT's, in English and uncased. */
const vocabulary = 30522;

/** The names that Hugging Face gives the parts of a layer. */
const partNames: Readonly<Record<keyof LayerWeights, string>> = {
  query: 'attention.self.query',
  key: 'attention.self.key',
  value: 'attention.self.value',
  output: 'attention.output.dense',
  attentionNorm: 'attention.output.LayerNorm',
  intermediate: 'intermediate.dense',
  contract: 'output.dense',
  outputNorm: 'output.LayerNorm',
};

/**
 * The files of a BERT with a classifier of two labels, for `loadModel`. The same arguments give the same weights.
 *
 * @param positions the longest text it takes
 */
export function randomBert(geometry: Geometry, positions: number): ModelFiles {
  const { modelDim, heads, intermediateDim, layers } = geometry;
  const tensors = new Map<string, HostTensor>();
  const add = (name: string, data: Float32Array, shape: readonly number[]) => tensors.set(name, tensor(data, shape));
  const table = (name: string, rows: number, seed: number) =>
    add(`bert.embeddings.${name}.weight`, randomNormal(rows * modelDim, randomSource(seed)), [rows, modelDim]);
  const linear = (name: string, outFeatures: number, seed: number) => {
    const weight = randomNormal(outFeatures * modelDim, randomSource(seed)).map((x) => x / Math.sqrt(modelDim));
    add(`${name}.weight`, weight, [outFeatures, modelDim]);
    add(`${name}.bias`, new Float32Array(outFeatures), [outFeatures]);
  };
  table('word_embeddings', vocabulary, 1);
  table('position_embeddings', positions, 2);
  table('token_type_embeddings', 2, 3);
  add('bert.embeddings.LayerNorm.weight', new Float32Array(modelDim).fill(1), [modelDim]);
  add('bert.embeddings.LayerNorm.bias', new Float32Array(modelDim), [modelDim]);
  for (let index = 0; index < layers; index++) {
    const weights = randomLayer(geometry, 100 * (index + 1));
    for (const [part, name] of Object.entries(partNames) as [keyof LayerWeights, string][]) {
      const { weight, bias } = weights[part];
      const shape = weight.length === bias.length ? [bias.length] : [bias.length, weight.length / bias.length];
      add(`bert.encoder.layer.${index}.${name}.weight`, weight, shape);
      add(`bert.encoder.layer.${index}.${name}.bias`, bias, [bias.length]);
    }
  }
  linear('bert.pooler.dense', modelDim, 4);
  linear('classifier', 2, 5);
  return {
    'config.json': json({
      architectures: ['BertForSequenceClassification'],
      model_type: 'bert',
      vocab_size: vocabulary,
      hidden_size: modelDim,
      num_hidden_layers: layers,
      num_attention_heads: heads,
      intermediate_size: intermediateDim,
      max_position_embeddings: positions,
    }),
    'tokenizer.json': json(wordTokenizer()),
    'model.safetensors': encodeSafetensors(tensors),
  };
}

/** One id for each word of the sample texts. */
function wordTokenizer() {
  const words = new Set(sampleTexts.flatMap((text) => text.match(/\w+|[^\w\s]+/g) ?? []));
  const vocab = Object.fromEntries(['[UNK]', ...words].map((word, id) => [word, id]));
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: { type: 'Whitespace' },
    post_processor: null,
    decoder: null,
    model: { type: 'WordLevel', unk_token: '[UNK]', vocab },
  };
}

const json = (value: object) => new TextEncoder().encode(JSON.stringify(value));
