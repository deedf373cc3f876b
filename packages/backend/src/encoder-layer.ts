// The work that backends are compared by: layers of an encoder as BERT's are (Devlin et al., arXiv 1810.04805), with four
// heads of 64 and random numbers. Only what takes the time is done: the linear ops and dense attention.

import {
  type Activation,
  type Backend,
  type DenseAttentionProblem,
  type DeviceTensor,
  type LinearProblem,
  type Problem,
  randomSource,
  randomUniform,
  type Tensors,
  tensor,
} from '@flashmla/tensor';

const heads = 4;
const headDim = 64;
const modelDim = heads * headDim;
const innerDim = 4 * modelDim;

/** One layer's sizes, for people and for the key under which times are kept. */
export const layerSizes = `${heads} heads of ${headDim}`;

export class EncoderLayer {
  readonly #backend: Backend;
  readonly #tokens: number;
  readonly #tensors: Readonly<
    Record<
      | 'hidden' // [tokens, modelDim] f32, as all but these:
      | 'query'
      | 'key'
      | 'value'
      | 'context'
      | 'projected'
      | 'output'
      | 'inner' // [tokens, innerDim] f32
      | 'lse' // [1, heads, tokens] f32
      | 'square' // [modelDim, modelDim] f32, a weight
      | 'up' // [innerDim, modelDim] f32, a weight
      | 'down', // [modelDim, innerDim] f32, a weight
      DeviceTensor
    >
  >;

  constructor(backend: Backend, tokens: number) {
    this.#backend = backend;
    this.#tokens = tokens;
    const random = randomSource(tokens);
    const values = randomUniform(innerDim * modelDim, random, modelDim ** -0.5);
    const weight = (outFeatures: number, inFeatures: number) =>
      backend.upload(tensor(values.subarray(0, outFeatures * inFeatures), [outFeatures, inFeatures]), {
        purpose: 'linear-weight',
      });
    const activations = () => backend.allocate([tokens, modelDim], 'float32');
    this.#tensors = {
      hidden: backend.upload(tensor(randomUniform(tokens * modelDim, random), [tokens, modelDim])),
      query: activations(),
      key: activations(),
      value: activations(),
      context: activations(),
      projected: activations(),
      output: activations(),
      inner: backend.allocate([tokens, innerDim], 'float32'),
      lse: backend.allocate([1, heads, tokens], 'float32'),
      square: weight(modelDim, modelDim),
      up: weight(innerDim, modelDim),
      down: weight(modelDim, innerDim),
    };
  }

  /** One of the four equal linear ops of a layer: a quarter of its time at most. */
  async projection(): Promise<void> {
    const { hidden, square, query } = this.#tensors;
    await this.#linear(hidden, square, query);
    await this.#backend.synchronize();
  }

  /** So many layers, queued together, and what the last one gives. Each starts from the same input: numbers stay in range. */
  async run(layers: number): Promise<void> {
    const { hidden, query, key, value, context, projected, output, inner, lse, square, up, down } = this.#tensors;
    for (let layer = 0; layer < layers; layer++) {
      for (const projection of [query, key, value]) await this.#linear(hidden, square, projection);
      await this.#dispatch(this.#attention(), { query, key, value }, { output: context, lse });
      await this.#linear(context, square, projected);
      await this.#linear(projected, up, inner, 'gelu');
      await this.#linear(inner, down, output);
    }
    await output.data();
  }

  dispose(): void {
    for (const each of Object.values(this.#tensors)) each.dispose();
  }

  #attention(): DenseAttentionProblem {
    return {
      op: 'dense-attention',
      batch: 1,
      heads,
      queries: this.#tokens,
      keys: this.#tokens,
      headDim,
      layout: 'tokens-first',
      scale: headDim ** -0.5,
      mask: false,
      causal: false,
    };
  }

  #linear(
    input: DeviceTensor,
    weight: DeviceTensor,
    output: DeviceTensor,
    activation: Activation = 'none',
  ): Promise<void> {
    const [outFeatures, inFeatures] = weight.shape as [number, number];
    const rows = this.#tokens;
    const problem: LinearProblem = { op: 'linear', rows, inFeatures, outFeatures, bias: false, activation };
    return this.#dispatch(problem, { input, weight }, { output });
  }

  /** Programs are kept by the backend, so only the first of a kind is compiled. */
  async #dispatch(problem: Problem, inputs: Tensors, outputs: Tensors): Promise<void> {
    this.#backend.dispatch(await this.#backend.prepare(problem), inputs, outputs);
  }
}
