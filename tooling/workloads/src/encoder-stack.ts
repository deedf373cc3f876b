// Encoder layers with random weights on a device, each with its own, and the attention modules that they can run with.

import { type AttentionModule, FlashMLAAttention } from '@flashmla/attention';
import { EncoderLayer, type LayerParts, Workspace } from '@flashmla/model-swap';
import { type Backend, castTo, type DeviceTensor, floatsOf, type Precision, tensor } from '@flashmla/tensor';
import type { Geometry } from './geometry.ts';
import type { LayerWeights, LinearWeights, NormWeights } from './onnx/weights.ts';
import { randomLayer } from './random-layer.ts';

export class EncoderStack {
  /** BERT's. */
  readonly normEpsilon = 1e-12;
  /** As they were drawn, a layer each. */
  readonly weights: readonly LayerWeights[];
  readonly #backend: Backend;
  readonly #geometry: Geometry;
  readonly #dtype: Precision;
  readonly #parts: LayerParts<DeviceTensor>[] = [];
  readonly #layers: EncoderLayer[] = [];
  readonly #uploaded: DeviceTensor[] = [];

  /** Draws the weights of `geometry.layers` layers and uploads them. @param dtype see `loadModel` */
  constructor(backend: Backend, geometry: Geometry, dtype: Precision = 'float32') {
    this.#backend = backend;
    this.#geometry = geometry;
    this.#dtype = dtype;
    this.weights = Array.from({ length: geometry.layers }, (_, index) => randomLayer(geometry, 100 * (index + 1)));
    const architecture = { ...geometry, normEpsilon: this.normEpsilon, activation: 'gelu' } as const;
    const context = { backend, architecture, gates: new Map() };
    try {
      for (const [index, weights] of this.weights.entries()) {
        const parts = this.#upload(weights);
        this.#parts.push(parts);
        this.#layers.push(new EncoderLayer(index, context, parts));
      }
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /** The dense attention of each layer; the stack's. */
  get dense(): AttentionModule[] {
    return this.#layers.map((layer) => layer.dense);
  }

  /** A module for each layer that always runs sparse, with a gate that fits itself in its first run; the caller's. */
  sparse(k: number): FlashMLAAttention[] {
    const { modelDim: dim, heads } = this.#geometry;
    const options = { backend: this.#backend, dim, heads, k, crossover: 0 };
    return this.#parts.map((projections) => new FlashMLAAttention({ ...options, projections }));
  }

  /**
   * Runs all layers.
   *
   * @param hidden [batch, tokens, modelDim]; disposed
   * @param attention of each layer
   * @returns the last hidden states, the caller's
   */
  async forward(
    hidden: DeviceTensor,
    attention: readonly AttentionModule[],
    signal?: AbortSignal,
  ): Promise<DeviceTensor> {
    const work = new Workspace(this.#backend, signal);
    try {
      let state = await work.adopt(hidden);
      for (const [index, layer] of this.#layers.entries()) {
        state = await layer.forward(work, { hidden: state, keyMask: undefined }, attention[index]);
      }
      return work.keep(state);
    } finally {
      work.dispose();
    }
  }

  /** Gives the weights back. */
  dispose(): void {
    for (const one of [...this.#layers, ...this.#uploaded]) one.dispose();
  }

  #upload(weights: LayerWeights): LayerParts<DeviceTensor> {
    const quantization = this.#dtype === 'int8' ? this.#dtype : undefined;
    const place = (data: Float32Array, shape: readonly number[]) => {
      const isMatrix = shape.length === 2;
      const options = isMatrix ? { purpose: 'linear-weight' as const, ...(quantization && { quantization }) } : {};
      const device = this.#backend.upload(castTo(tensor(data, shape), floatsOf(this.#dtype)), options);
      this.#uploaded.push(device);
      return device;
    };
    const parts = Object.entries(weights).map(([name, { weight, bias }]: [string, LinearWeights | NormWeights]) => {
      const shape = weight.length === bias.length ? [bias.length] : [bias.length, weight.length / bias.length];
      return [name, { weight: place(weight, shape), bias: place(bias, [bias.length]) }];
    });
    return Object.fromEntries(parts) as LayerParts<DeviceTensor>;
  }
}
