// The parts of an encoder as ONNX nodes: plain, in standard operators in the shape PyTorch exports them, so that the
// peer's own optimiser does what it does for a user's model; or with the peer's MultiHeadAttention (`fused`); each in
// float32, or in int8 as onnxruntime's `quantize_dynamic` makes it of the float32 graph: the products with weights are
// MatMulInteger over activations that DynamicQuantizeLinear quantizes for each run, once for all products that read them;
// attention and all the rest stay float32. (Checked against onnxruntime 1.30: the same nodes, the same bytes of weights.
// One thing is ours: it quantizes the tables of the embeddings, too, which here stay as they are.)

import { FlashMLAError } from '@flashmla/tensor';
import { elementType, OnnxGraph } from './onnx-graph.ts';
import { quantize } from './quantize.ts';
import type { LayerWeights, LinearWeights, NormWeights } from './weights.ts';

export type Precision = 'float32' | 'int8';

export type Activation = 'none' | 'gelu' | 'gelu-tanh' | 'relu' | 'tanh';

export interface GraphOptions {
  heads: number;
  headDim: number;
  /** Use the peer's MultiHeadAttention (`com.microsoft`) where the plain graph has MatMul, Softmax, MatMul. */
  fused: boolean;
  precision: Precision;
  /** Factor on q·k; 1/√headDim by default. */
  scale?: number | undefined;
  /** Added to the variance in normalisations. */
  epsilon: number;
}

export type Triple = [query: string, key: string, value: string];

const headsFirst = [0, 2, 1, 3]; // [batch, tokens, heads, headDim] → [batch, heads, tokens, headDim], and back
const headsFirstTransposed = [0, 2, 3, 1]; // [batch, tokens, heads, headDim] → [batch, heads, headDim, tokens]

export class ModelGraph {
  readonly graph: OnnxGraph;
  readonly #options: Required<GraphOptions>;
  readonly #modelDim: number;
  /** Values that are quantized already. */
  readonly #quantized = new Set<string>();

  constructor(name: string, options: GraphOptions) {
    const { heads, headDim, scale = 1 / Math.sqrt(headDim) } = options;
    this.graph = new OnnxGraph(name);
    this.#options = { ...options, scale };
    this.#modelDim = heads * headDim;
  }

  /** A post-norm encoder layer over `hidden`, [batch, tokens, modelDim]; named `output`. */
  layer(hidden: string, output: string, prefix: string, weights: LayerWeights, activation: Activation): string {
    const modelDim = this.#modelDim;
    const intermediateDim = weights.intermediate.bias.length;
    const dense = (name: keyof LayerWeights, input: string, inputs: number, outputs: number) =>
      this.linear(input, `${prefix}.${name}`, weights[name], inputs, outputs);

    const projected = (['query', 'key', 'value'] as const).map((name) => dense(name, hidden, modelDim, modelDim));
    const mixed = this.#attention(projected as Triple, `${prefix}.mixed`);
    const attended = dense('output', mixed, modelDim, modelDim);
    const normed = this.#residualNorm(attended, hidden, `${prefix}.attentionNorm`, weights.attentionNorm);
    const expanded = dense('intermediate', normed, modelDim, intermediateDim);
    const activated = this.activate(expanded, activation, `${prefix}.activated`);
    const contracted = dense('contract', activated, intermediateDim, modelDim);
    return this.#residualNorm(contracted, normed, `${prefix}.outputNorm`, weights.outputNorm, output);
  }

  /** softmax(scale · Q·Kᵀ)·V; all [batch, heads, tokens, headDim]. */
  attentionOfHeads([query, key, value]: Triple, output: string): void {
    if (this.#options.fused) {
      const merged = [query, key, value].map((name) => this.#mergeHeads(name)) as Triple;
      this.#splitHeads(this.#multiHeadAttention(merged, 'mixed'), output, headsFirst);
    } else {
      const keyTransposed = this.graph.node('Transpose', [key], `${key}.transposed`, {
        attributes: { perm: { ints: [0, 1, 3, 2] } },
      });
      this.#softmaxAttention([query, keyTransposed, value], output);
    }
  }

  /** input [..., inputs] · Wᵀ + b, named `name`. */
  linear(input: string, name: string, { weight, bias }: LinearWeights, inputs: number, outputs: number): string {
    // A constant that is laid out for the product: the runtime packs it once, when it loads the model.
    const laidOut = transpose(checkedLength(weight, outputs * inputs, `${name}.weight`), outputs, inputs);
    const product =
      this.#options.precision === 'int8'
        ? this.#quantizedProduct(input, name, laidOut, [inputs, outputs])
        : this.graph.node(
            'MatMul',
            [input, this.graph.constant(`${name}.weight`, laidOut, [inputs, outputs])],
            `${name}.product`,
          );
    const shift = this.graph.constant(`${name}.bias`, checkedLength(bias, outputs, `${name}.bias`), [outputs]);
    return this.graph.node('Add', [product, shift], name);
  }

  norm(input: string, name: string, { weight, bias }: NormWeights, output = name): string {
    const modelDim = this.#modelDim;
    const scale = this.graph.constant(`${name}.weight`, checkedLength(weight, modelDim, `${name}.weight`), [modelDim]);
    const shift = this.graph.constant(`${name}.bias`, checkedLength(bias, modelDim, `${name}.bias`), [modelDim]);
    const attributes = { axis: { int: -1 }, epsilon: { float: this.#options.epsilon } };
    return this.graph.node('LayerNormalization', [input, scale, shift], output, { attributes });
  }

  activate(input: string, activation: Activation, output: string): string {
    switch (activation) {
      case 'none':
        return input;
      case 'gelu':
        return this.graph.node('Gelu', [input], output);
      case 'gelu-tanh':
        return this.graph.node('Gelu', [input], output, { attributes: { approximate: { string: 'tanh' } } });
      case 'relu':
        return this.graph.node('Relu', [input], output);
      case 'tanh':
        return this.graph.node('Tanh', [input], output);
    }
  }

  /** The rows of `table` [rows, modelDim] that `ids` names. */
  embed(ids: string, name: string, table: Float32Array): string {
    const modelDim = this.#modelDim;
    const rows = this.graph.constant(`${name}.weight`, table, [table.length / modelDim, modelDim]);
    return this.graph.node('Gather', [rows, ids], name);
  }

  #quantizedProduct(input: string, name: string, weight: Float32Array, shape: readonly number[]): string {
    const { graph } = this;
    const activations = [`${input}_quantized`, `${input}_scale`, `${input}_zero_point`] as const;
    if (!this.#quantized.has(input)) {
      graph.nodeOf('DynamicQuantizeLinear', [input], activations);
      this.#quantized.add(input);
    }
    const [quantizedInput, inputScale, inputZero] = activations;
    const { data, scale } = quantize(weight);
    const quantizedWeight = graph.constant(`${name}.weight_quantized`, data, shape);
    const weightScale = graph.constant(`${name}.weight_scale`, Float32Array.of(scale), []);
    const weightZero = graph.constant(`${name}.weight_zero_point`, Int8Array.of(0), []);
    const scales = graph.node('Mul', [inputScale, weightScale], `${name}.scales`);
    const inputs = [quantizedInput, quantizedWeight, inputZero, weightZero];
    const sums = graph.node('MatMulInteger', inputs, `${name}.sums`);
    const floats = graph.node('Cast', [sums], `${name}.floats`, { attributes: { to: { int: elementType.float } } });
    return graph.node('Mul', [floats, scales], `${name}.product`);
  }

  /** Queries, keys, values and the result: [batch, tokens, modelDim]. */
  #attention([query, key, value]: Triple, output: string): string {
    if (this.#options.fused) return this.#multiHeadAttention([query, key, value], output);
    const queryHeads = this.#splitHeads(query, `${query}.heads`, headsFirst);
    const keyHeads = this.#splitHeads(key, `${key}.heads`, headsFirstTransposed);
    const valueHeads = this.#splitHeads(value, `${value}.heads`, headsFirst);
    return this.#mergeHeads(this.#softmaxAttention([queryHeads, keyHeads, valueHeads], output));
  }

  /** `key` comes as [batch, heads, headDim, tokens]; the others and the output [batch, heads, tokens, headDim]. */
  #softmaxAttention([query, key, value]: Triple, output: string): string {
    const { graph } = this;
    const products = graph.node('MatMul', [query, key], `${output}.products`);
    const factor = graph.constant(`${output}.scale`, Float32Array.of(this.#options.scale), []);
    const logits = graph.node('Mul', [products, factor], `${output}.logits`);
    const weights = graph.node('Softmax', [logits], `${output}.weights`, { attributes: { axis: { int: -1 } } });
    return graph.node('MatMul', [weights, value], output);
  }

  /** All four values are [batch, tokens, modelDim]. */
  #multiHeadAttention(inputs: Triple, output: string): string {
    return this.graph.node('MultiHeadAttention', inputs, output, {
      domain: 'com.microsoft',
      attributes: { num_heads: { int: this.#options.heads }, scale: { float: this.#options.scale } },
    });
  }

  /** [batch, tokens, heads · headDim] → the four dimensions, in the order `perm`. In a Reshape, 0 keeps a dimension. */
  #splitHeads(input: string, output: string, perm: readonly number[]): string {
    const { heads, headDim } = this.#options;
    const sizes = BigInt64Array.of(0n, 0n, BigInt(heads), BigInt(headDim));
    const split = this.graph.node(
      'Reshape',
      [input, this.graph.constant(`${output}.shape`, sizes, [4])],
      `${output}.split`,
    );
    return this.graph.node('Transpose', [split], output, { attributes: { perm: { ints: perm } } });
  }

  /** [batch, heads, tokens, headDim] → [batch, tokens, modelDim]. */
  #mergeHeads(input: string): string {
    const transposed = this.graph.node('Transpose', [input], `${input}.transposed`, {
      attributes: { perm: { ints: headsFirst } },
    });
    const sizes = BigInt64Array.of(0n, 0n, BigInt(this.#modelDim));
    const shape = this.graph.constant(`${input}.merged.shape`, sizes, [3]);
    return this.graph.node('Reshape', [transposed, shape], `${input}.merged`);
  }

  #residualNorm(input: string, residual: string, name: string, weights: NormWeights, output = name): string {
    return this.norm(this.graph.node('Add', [input, residual], `${name}.sum`), name, weights, output);
  }
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
