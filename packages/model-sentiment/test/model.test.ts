// The shipped files themselves: complete, and of the shapes that config.json promises.

import { readFileSync } from 'node:fs';
import { decodeSafetensors, type HostTensor, toFloat32 } from '@flashmla/tensor';
import { describe, expect, it } from 'vitest';
import { modelFiles } from '../src/index.ts';

const read = (file: keyof typeof modelFiles) => readFileSync(modelFiles[file]);
const config = JSON.parse(read('config.json').toString('utf8'));
const weights = decodeSafetensors(read('model.safetensors'), 'model.safetensors');

function expectedShapes(): Map<string, number[]> {
  const { hidden_size: modelDim, intermediate_size: innerDim } = config;
  const shapes = new Map<string, number[]>();
  const linear = (name: string, inputs: number, outputs: number) =>
    shapes.set(`${name}.weight`, [outputs, inputs]).set(`${name}.bias`, [outputs]);
  const layerNorm = (name: string) => shapes.set(`${name}.weight`, [modelDim]).set(`${name}.bias`, [modelDim]);

  shapes.set('bert.embeddings.word_embeddings.weight', [config.vocab_size, modelDim]);
  shapes.set('bert.embeddings.position_embeddings.weight', [config.max_position_embeddings, modelDim]);
  shapes.set('bert.embeddings.token_type_embeddings.weight', [config.type_vocab_size, modelDim]);
  layerNorm('bert.embeddings.LayerNorm');
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    const at = `bert.encoder.layer.${layer}`;
    for (const role of ['query', 'key', 'value']) linear(`${at}.attention.self.${role}`, modelDim, modelDim);
    linear(`${at}.attention.output.dense`, modelDim, modelDim);
    layerNorm(`${at}.attention.output.LayerNorm`);
    linear(`${at}.intermediate.dense`, modelDim, innerDim);
    linear(`${at}.output.dense`, innerDim, modelDim);
    layerNorm(`${at}.output.LayerNorm`);
  }
  linear('bert.pooler.dense', modelDim, modelDim);
  linear('classifier', modelDim, Object.keys(config.id2label).length);
  return shapes;
}

const sorted = <T>(entries: Iterable<[string, T]>) => [...entries].sort(([a], [b]) => (a < b ? -1 : 1));
const float32 = ({ array, dtype }: HostTensor) => toFloat32(array, dtype);

describe('the shipped gates', () => {
  it('are content gates of all layers and heads', () => {
    const { format, layers } = JSON.parse(read('gates.json').toString('utf8'));
    expect({ format, layers: Object.keys(layers) }).toEqual({ format: 'flashmla-gates', layers: ['0', '1', '2', '3'] });
    const tensors = decodeSafetensors(read('gates.safetensors'), 'gates.safetensors');
    for (const [layer, { gate, ranks }] of Object.entries<{ gate: string; ranks: number[] }>(layers)) {
      expect({ gate, heads: ranks.length }).toEqual({ gate: 'content', heads: config.num_attention_heads });
      for (const map of ['queryMap', 'keyMap']) {
        const { shape, array } = tensors.get(`layer.${layer}.${map}`)!;
        expect(shape).toEqual([4, 64, 8]);
        expect((array as Float32Array).every(Number.isFinite)).toBe(true);
      }
    }
  });
});

describe('the shipped model', () => {
  it('is a four-layer BERT classifier in float16, labelled negative and positive', () => {
    expect(config).toMatchObject({
      architectures: ['BertForSequenceClassification'],
      model_type: 'bert',
      torch_dtype: 'float16',
      hidden_size: 256,
      intermediate_size: 1024,
      num_hidden_layers: 4,
      num_attention_heads: 4,
      max_position_embeddings: 4096,
      vocab_size: 8192,
      id2label: { 0: 'negative', 1: 'positive' },
      label2id: { negative: 0, positive: 1 },
    });
  });

  it('has every tensor of that architecture, in its shape, and no other', () => {
    const shapes = [...weights].map(([name, { shape }]): [string, readonly number[]] => [name, shape]);
    expect(sorted(shapes)).toEqual(sorted(expectedShapes()));
  });

  it('holds finite float16 numbers only, and no tensor of zeros', () => {
    for (const [name, weight] of weights) {
      expect(weight.dtype, name).toBe('float16');
      const values = float32(weight);
      expect(values.every(Number.isFinite), name).toBe(true);
      expect(
        values.some((value) => value !== 0),
        name,
      ).toBe(true);
    }
  });

  it('brings a tokenizer with as many pieces as there are embeddings', () => {
    const { model } = JSON.parse(read('tokenizer.json').toString('utf8'));
    expect(model.type).toBe('WordPiece');
    expect(new Set(Object.values(model.vocab))).toEqual(new Set(Array(config.vocab_size).keys()));
    expect(JSON.parse(read('tokenizer_config.json').toString('utf8'))).toMatchObject({
      do_lower_case: true,
      model_max_length: config.max_position_embeddings,
    });
  });

  it('takes less than 13 MB', () => {
    const byteLength = Object.values(modelFiles).reduce((sum, url) => sum + readFileSync(url).byteLength, 0);
    expect(byteLength).toBeLessThan(13e6);
  });
});
