// The peers' side of the benchmark as ONNX models: attention, encoder layers, a whole text model; the same arithmetic and
// the same weights as the FlashMLA side. onnxruntime 1.30 makes FusedMatMul (q·kᵀ·scale), BiasGelu and
// SkipLayerNormalization of the plain graphs, and leaves Softmax by itself. `fused` asks for its MultiHeadAttention
// instead, which needs less memory natively and fails with an integer overflow in the wasm build at 4096 tokens × 12 heads.
//
// Left out on both sides: the attention mask. All texts of a batch are equally long.

import { FlashMLAError } from '@flashmla/tensor';
import { type Activation, ModelGraph, type Precision } from './model-graph.ts';
import type { Dimension } from './onnx-graph.ts';
import type { LayerWeights, LinearWeights, TextModelWeights } from './weights.ts';

interface ModelOptions {
  heads: number;
  /** Sizes that are the same in every run; left out, the model takes any. */
  batch?: number;
  tokens?: number;
  /** Use the peer's MultiHeadAttention; default false. */
  fused?: boolean;
}

export interface AttentionModelOptions extends ModelOptions {
  headDim: number;
  /** Factor on q·k; 1/√headDim by default. */
  scale?: number;
}

interface LayeredModelOptions extends ModelOptions {
  /** Of the products with weights; default 'float32'. */
  precision?: Precision;
  /** Added to the variance in normalisations; BERT's 1e-12 by default. */
  epsilon?: number;
}

export interface EncoderModelOptions extends LayeredModelOptions {
  /** One layer or more, applied in order; their activation is the exact GELU. */
  layers: readonly LayerWeights[];
}

export interface TextModelOptions extends LayeredModelOptions {
  weights: TextModelWeights;
  activation: Activation;
  /** Whether the head reads the pooler's output or the first token's hidden state. */
  headReadsPooled: boolean;
  /** Of the head's hidden layer. */
  headActivation: Activation;
}

/**
 * softmax(scale · Q·Kᵀ)·V as an ONNX model.
 * Inputs `query`, `key`, `value`, output `output`, all [batch, heads, tokens, headDim] f32.
 */
export function attentionModel(options: AttentionModelOptions): Uint8Array {
  const { heads, headDim, batch = 'batch', tokens = 'tokens', scale, fused = false } = options;
  const shape: Dimension[] = [batch, heads, tokens, headDim];
  const model = new ModelGraph('attention', { heads, headDim, scale, fused, precision: 'float32', epsilon: 0 });
  const [query, key, value] = ['query', 'key', 'value'].map((name) => model.graph.input(name, shape));
  model.attentionOfHeads([query!, key!, value!], 'output');
  model.graph.output('output', shape);
  return model.graph.toBytes();
}

/**
 * A stack of BERT encoder layers as an ONNX model; one layer is a stack of one.
 * Input `hidden`, output `output`, both [batch, tokens, modelDim] f32.
 * @throws FlashMLAError `invalid-argument` when a weight does not fit the others, `unsupported` beyond 2 GiB.
 */
export function encoderModel(options: EncoderModelOptions): Uint8Array {
  const { layers, batch = 'batch', tokens = 'tokens' } = options;
  const { model, modelDim } = layeredGraph('encoder', layers, options);
  const shape: Dimension[] = [batch, tokens, modelDim];
  addLayers(model, model.graph.input('hidden', shape), 'output', layers, 'gelu');
  model.graph.output('output', shape);
  return model.graph.toBytes();
}

/**
 * An encoder from token ids to logits as an ONNX model.
 * Inputs `tokenIds` and, where there are token types, `typeIds`, [batch, tokens] i64, and `positionIds` [tokens] i64;
 * outputs `hidden` [batch, tokens, modelDim] f32, and with a head `logits` [batch, labels] f32.
 * @throws FlashMLAError `invalid-argument` when a weight does not fit the others, `unsupported` beyond 2 GiB.
 */
export function textModel(options: TextModelOptions): Uint8Array {
  const { weights, activation, headReadsPooled, headActivation, batch = 'batch', tokens = 'tokens' } = options;
  const { embedding, layers, pooler, head } = weights;
  const { model, modelDim } = layeredGraph('text-model', layers, options);
  const { graph } = model;
  const ids = (name: string, shape: readonly Dimension[]) => graph.input(name, shape, 'int64');
  const words = model.embed(ids('tokenIds', [batch, tokens]), 'word', embedding.word);
  const positions = model.embed(ids('positionIds', [tokens]), 'position', embedding.position);
  let sum = graph.node('Add', [words, positions], 'placed');
  if (embedding.type) {
    const types = model.embed(ids('typeIds', [batch, tokens]), 'type', embedding.type);
    sum = graph.node('Add', [sum, types], 'typed');
  }
  addLayers(model, model.norm(sum, 'embedded', embedding.norm), 'hidden', layers, activation);
  graph.output('hidden', [batch, tokens, modelDim]);
  if (!head) return graph.toBytes();

  const dense = (input: string, name: string, linear: LinearWeights) =>
    model.linear(input, name, linear, modelDim, linear.bias.length);
  const zero = graph.constant('first.index', BigInt64Array.of(0n), []);
  let read = graph.node('Gather', ['hidden', zero], 'first', { attributes: { axis: { int: 1 } } });
  if (headReadsPooled && pooler) read = model.activate(dense(read, 'pooler', pooler), 'tanh', 'pooled');
  if (head.hidden) read = model.activate(dense(read, 'head.hidden', head.hidden), headActivation, 'head.activated');
  dense(read, 'logits', head.output);
  graph.output('logits', [batch, head.output.bias.length]);
  return graph.toBytes();
}

function layeredGraph(
  name: string,
  layers: readonly LayerWeights[],
  { heads, epsilon = 1e-12, fused = false, precision = 'float32' }: LayeredModelOptions,
): { model: ModelGraph; modelDim: number } {
  const modelDim = layers[0]?.query.bias.length;
  if (!modelDim || modelDim % heads !== 0) {
    throw new FlashMLAError(
      'invalid-argument',
      `[flashmla] ${layers.length} layers of modelDim ${modelDim ?? 'unknown'} with ${heads} heads were given, ` +
        'at least one layer and a modelDim that is a multiple of heads were expected. Check the layers and heads passed.',
    );
  }
  return { model: new ModelGraph(name, { heads, headDim: modelDim / heads, fused, precision, epsilon }), modelDim };
}

/** All layers, the last of which gives `output`. */
function addLayers(
  model: ModelGraph,
  input: string,
  output: string,
  layers: readonly LayerWeights[],
  activation: Activation,
): void {
  layers.reduce((hidden, weights, index) => {
    const name = index === layers.length - 1 ? output : `hidden.${index}`;
    return model.layer(hidden, name, `layer.${index}`, weights, activation);
  }, input);
}
