// The peers' side of the benchmark: attention and BERT encoder layers as ONNX models, the same arithmetic and the same
// weights as the FlashMLA side. Plain graphs have standard operators only, in the shape PyTorch exports them, so that
// the peer's own optimiser does what it does for a user's model: onnxruntime 1.30 makes of them FusedMatMul
// (q·kᵀ·scale), BiasGelu and SkipLayerNormalization, and leaves Softmax by itself. `fused` asks for its
// MultiHeadAttention instead, which needs less memory natively and fails with an integer overflow in the wasm build at
// 4096 tokens × 12 heads.
//
// Left out on both sides: embeddings, the attention mask, the head. A model starts from hidden states.

import { FlashMLAError } from '@flashmla/tensor';
import { type Dimension, OnnxGraph } from './onnx-graph.ts';

/** y = x·Wᵀ + b. */
export interface LinearWeights {
  /** [outputs, inputs] f32, the layout of a Hugging Face checkpoint. */
  weight: Float32Array;
  /** [outputs] f32. */
  bias: Float32Array;
}

/** Scale and shift of a layer normalisation, [modelDim] f32 each. */
export interface NormWeights {
  weight: Float32Array;
  bias: Float32Array;
}

/** One encoder layer with the normalisation after each residual (BERT, Devlin et al. 2018). */
export interface LayerWeights {
  query: LinearWeights;
  key: LinearWeights;
  value: LinearWeights;
  output: LinearWeights;
  attentionNorm: NormWeights;
  /** modelDim → intermediate size, followed by GELU (the exact one, with erf). */
  intermediate: LinearWeights;
  /** Intermediate size → modelDim. */
  ffnOutput: LinearWeights;
  outputNorm: NormWeights;
}

interface ModelOptions {
  heads: number;
  /** Sizes that are the same in every run; left out, the model takes any. */
  batch?: number;
  tokens?: number;
  /** Use the peer's MultiHeadAttention (`com.microsoft`) where the plain graph has MatMul, Softmax, MatMul. */
  fused?: boolean;
}

export interface AttentionModelOptions extends ModelOptions {
  headDim: number;
  /** Factor on q·k; 1/√headDim by default. */
  scale?: number;
}

export interface EncoderModelOptions extends ModelOptions {
  /** One layer or more, applied in order. */
  layers: readonly LayerWeights[];
  /** Added to the variance in both normalisations; BERT's 1e-12 by default. */
  epsilon?: number;
}

/**
 * softmax(scale · Q·Kᵀ)·V as an ONNX model.
 * Inputs `query`, `key`, `value`, output `output`, all [batch, heads, tokens, headDim] f32.
 */
export function attentionModel(options: AttentionModelOptions): Uint8Array {
  const { heads, headDim, batch = 'batch', tokens = 'tokens', scale = 1 / Math.sqrt(headDim), fused = false } = options;
  const shape: Dimension[] = [batch, heads, tokens, headDim];
  const graph = new OnnxGraph('attention');
  const [query, key, value] = ['query', 'key', 'value'].map((name) => graph.input(name, shape)) as Triple;
  if (fused) {
    const merged = [query, key, value].map((name) => mergeHeads(graph, name, heads * headDim)) as Triple;
    const mixed = multiHeadAttention(graph, merged, 'mixed', heads, scale);
    splitHeads(graph, mixed, 'output', heads, headDim, headsFirst);
  } else {
    const keyTransposed = graph.node('Transpose', [key], 'key.transposed', {
      attributes: { perm: { ints: [0, 1, 3, 2] } },
    });
    softmaxAttention(graph, [query, keyTransposed, value], 'output', scale);
  }
  graph.output('output', shape);
  return graph.toBytes();
}

/**
 * A stack of BERT encoder layers as an ONNX model; one layer is a stack of one.
 * Input `hidden`, output `output`, both [batch, tokens, modelDim] f32.
 * @throws FlashMLAError `invalid-argument` when a weight does not fit the others, `unsupported` beyond 2 GiB.
 */
export function encoderModel(options: EncoderModelOptions): Uint8Array {
  const { layers, heads, batch = 'batch', tokens = 'tokens', epsilon = 1e-12, fused = false } = options;
  const modelDim = layers[0]?.query.bias.length;
  if (!modelDim || modelDim % heads !== 0) {
    throw new FlashMLAError(
      'invalid-argument',
      `[flashmla] ${layers.length} layers of modelDim ${modelDim ?? 'unknown'} with ${heads} heads were given, ` +
        'at least one layer and a modelDim that is a multiple of heads were expected. Check the layers and heads passed.',
    );
  }
  const shape: Dimension[] = [batch, tokens, modelDim];
  const graph = new OnnxGraph('encoder');
  let hidden = graph.input('hidden', shape);
  for (const [index, weights] of layers.entries()) {
    const output = index === layers.length - 1 ? 'output' : `hidden.${index}`;
    hidden = encoderLayer(graph, hidden, output, weights, {
      prefix: `layer.${index}`,
      modelDim,
      heads,
      epsilon,
      fused,
    });
  }
  graph.output(hidden, shape);
  return graph.toBytes();
}

type Triple = [query: string, key: string, value: string];

interface LayerContext {
  prefix: string;
  modelDim: number;
  heads: number;
  epsilon: number;
  fused: boolean;
}

function encoderLayer(graph: OnnxGraph, hidden: string, output: string, weights: LayerWeights, context: LayerContext) {
  const { prefix, modelDim, heads, epsilon, fused } = context;
  const headDim = modelDim / heads;
  const scale = 1 / Math.sqrt(headDim);
  const intermediateDim = weights.intermediate.bias.length;
  const dense = (name: keyof LayerWeights, input: string, inputs: number, outputs: number) =>
    linear(graph, input, `${prefix}.${name}`, weights[name], inputs, outputs);

  const [query, key, value] = (['query', 'key', 'value'] as const).map((name) =>
    dense(name, hidden, modelDim, modelDim),
  ) as Triple;
  let mixed: string;
  if (fused) {
    mixed = multiHeadAttention(graph, [query, key, value], `${prefix}.mixed`, heads, scale);
  } else {
    const queryHeads = splitHeads(graph, query, `${query}.heads`, heads, headDim, headsFirst);
    const keyHeads = splitHeads(graph, key, `${key}.heads`, heads, headDim, headsFirstTransposed);
    const valueHeads = splitHeads(graph, value, `${value}.heads`, heads, headDim, headsFirst);
    mixed = mergeHeads(
      graph,
      softmaxAttention(graph, [queryHeads, keyHeads, valueHeads], `${prefix}.mixed`, scale),
      modelDim,
    );
  }
  const attended = dense('output', mixed, modelDim, modelDim);
  const normed = residualNorm(
    graph,
    attended,
    hidden,
    `${prefix}.attentionNorm`,
    weights.attentionNorm,
    modelDim,
    epsilon,
  );

  const expanded = dense('intermediate', normed, modelDim, intermediateDim);
  const activated = graph.node('Gelu', [expanded], `${prefix}.activated`);
  const contracted = dense('ffnOutput', activated, intermediateDim, modelDim);
  return residualNorm(graph, contracted, normed, `${prefix}.outputNorm`, weights.outputNorm, modelDim, epsilon, output);
}

const headsFirst = [0, 2, 1, 3]; // [batch, tokens, heads, headDim] → [batch, heads, tokens, headDim], and back
const headsFirstTransposed = [0, 2, 3, 1]; // [batch, tokens, heads, headDim] → [batch, heads, headDim, tokens]

/** [batch, tokens, heads · headDim] → the four dimensions, in the order `perm`. In a Reshape, 0 keeps a dimension. */
function splitHeads(graph: OnnxGraph, input: string, output: string, heads: number, headDim: number, perm: number[]) {
  const shape = graph.constant(`${output}.shape`, BigInt64Array.of(0n, 0n, BigInt(heads), BigInt(headDim)), [4]);
  const split = graph.node('Reshape', [input, shape], `${output}.split`);
  return graph.node('Transpose', [split], output, { attributes: { perm: { ints: perm } } });
}

/** [batch, heads, tokens, headDim] → [batch, tokens, modelDim]. */
function mergeHeads(graph: OnnxGraph, input: string, modelDim: number): string {
  const transposed = graph.node('Transpose', [input], `${input}.transposed`, {
    attributes: { perm: { ints: headsFirst } },
  });
  const shape = graph.constant(`${input}.merged.shape`, BigInt64Array.of(0n, 0n, BigInt(modelDim)), [3]);
  return graph.node('Reshape', [transposed, shape], `${input}.merged`);
}

/** `key` comes as [batch, heads, headDim, tokens]; the others and the output [batch, heads, tokens, headDim]. */
function softmaxAttention(graph: OnnxGraph, [query, key, value]: Triple, output: string, scale: number): string {
  const products = graph.node('MatMul', [query, key], `${output}.products`);
  const factor = graph.constant(`${output}.scale`, Float32Array.of(scale), []);
  const logits = graph.node('Mul', [products, factor], `${output}.logits`);
  const weights = graph.node('Softmax', [logits], `${output}.weights`, { attributes: { axis: { int: -1 } } });
  return graph.node('MatMul', [weights, value], output);
}

/** All four values are [batch, tokens, modelDim]. */
function multiHeadAttention(graph: OnnxGraph, inputs: Triple, output: string, heads: number, scale: number): string {
  return graph.node('MultiHeadAttention', inputs, output, {
    domain: 'com.microsoft',
    attributes: { num_heads: { int: heads }, scale: { float: scale } },
  });
}

function linear(
  graph: OnnxGraph,
  input: string,
  name: string,
  weights: LinearWeights,
  inputs: number,
  outputs: number,
) {
  const weight = checkedLength(weights.weight, outputs * inputs, `${name}.weight`);
  const bias = checkedLength(weights.bias, outputs, `${name}.bias`);
  // A constant that is laid out for the product: the runtime packs it once, when it loads the model.
  const transposed = graph.constant(`${name}.weight`, transpose(weight, outputs, inputs), [inputs, outputs]);
  const product = graph.node('MatMul', [input, transposed], `${name}.product`);
  return graph.node('Add', [product, graph.constant(`${name}.bias`, bias, [outputs])], name);
}

function residualNorm(
  graph: OnnxGraph,
  input: string,
  residual: string,
  name: string,
  weights: NormWeights,
  modelDim: number,
  epsilon: number,
  output = name,
): string {
  const sum = graph.node('Add', [input, residual], `${name}.sum`);
  const weight = graph.constant(`${name}.weight`, checkedLength(weights.weight, modelDim, `${name}.weight`), [
    modelDim,
  ]);
  const bias = graph.constant(`${name}.bias`, checkedLength(weights.bias, modelDim, `${name}.bias`), [modelDim]);
  const attributes = { axis: { int: -1 }, epsilon: { float: epsilon } };
  return graph.node('LayerNormalization', [sum, weight, bias], output, { attributes });
}

function checkedLength(data: Float32Array, expected: number, name: string): Float32Array {
  if (data.length === expected) return data;
  throw new FlashMLAError(
    'invalid-argument',
    `[flashmla] ${name} has ${data.length} elements, ${expected} were expected from the other weights of the layer. ` +
      'Check the weights passed to the peer.',
  );
}

/** [rows, columns] → [columns, rows]. */
function transpose(data: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(data.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) result[column * rows + row] = data[row * columns + column]!;
  }
  return result;
}
