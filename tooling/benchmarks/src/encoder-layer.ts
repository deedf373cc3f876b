// One encoder layer of BERT-base's sizes, from hidden states on the device to hidden states on the device, with random
// weights and any attention module.

import type { AttentionModule, AttentionProjections } from '@flashmla/attention';
import { type Backend, type DeviceTensor, execute, randomNormal, randomSource, tensor } from '@flashmla/tensor';

export const modelDim = 768;
export const heads = 12;
const intermediateDim = 3072;
const epsilon = 1e-12;

export class EncoderLayer {
  /** For the attention module, which would otherwise draw its own in its first run. */
  readonly projections: AttentionProjections;
  readonly #backend: Backend;
  readonly #expand: DeviceTensor; // [intermediateDim, modelDim]
  readonly #contract: DeviceTensor; // [modelDim, intermediateDim]
  readonly #norm: { readonly weight: DeviceTensor; readonly bias: DeviceTensor }; // [modelDim] each

  constructor(backend: Backend) {
    this.#backend = backend;
    const matrix = (outFeatures: number, inFeatures: number, seed: number) => {
      const values = randomNormal(outFeatures * inFeatures, randomSource(seed)).map(
        (value) => value / Math.sqrt(inFeatures),
      );
      return backend.upload(tensor(values, [outFeatures, inFeatures]), { purpose: 'linear-weight' });
    };
    const vector = (value: number) => backend.upload(tensor(new Float32Array(modelDim).fill(value), [modelDim]));
    const square = (seed: number) => ({ weight: matrix(modelDim, modelDim, seed), bias: vector(0) });
    this.projections = { query: square(1), key: square(2), value: square(3), output: square(4) };
    this.#expand = matrix(intermediateDim, modelDim, 5);
    this.#contract = matrix(modelDim, intermediateDim, 6);
    this.#norm = { weight: vector(1), bias: vector(0) };
  }

  /** x ← norm(x + attention(x)), x ← norm(x + contract(gelu(expand(x)))); `input` is disposed. */
  async forward(input: DeviceTensor, attention: AttentionModule): Promise<DeviceTensor> {
    const attended = (await attention.forward(input)) as DeviceTensor;
    const between = await this.#normalised(attended, input);
    const rows = input.shape[1];
    const wide = await this.#linear(rows, between, this.#expand, 'gelu');
    const narrow = await this.#linear(rows, wide, this.#contract, 'none');
    wide.dispose();
    return this.#normalised(narrow, between);
  }

  async #normalised(input: DeviceTensor, residual: DeviceTensor): Promise<DeviceTensor> {
    const rows = residual.shape.at(-2)!;
    const { output } = await execute(
      this.#backend,
      { op: 'layer-norm', rows, modelDim, epsilon, residual: true },
      { input, residual, ...this.#norm },
    );
    input.dispose();
    residual.dispose();
    return output;
  }

  async #linear(rows: number, input: DeviceTensor, weight: DeviceTensor, activation: 'gelu' | 'none') {
    const [outFeatures, inFeatures] = weight.shape;
    const { output } = await execute(
      this.#backend,
      { op: 'linear', rows, inFeatures, outFeatures, bias: false, activation },
      { input, weight },
    );
    return output;
  }
}
