// Encoder layers from hidden states to hidden states: one, or a whole stack, each with weights of its own. Embeddings,
// mask and head are left out on all sides.

import { type AttentionModule, DenseAttention, FlashMLAAttention } from '@flashmla/attention';
import {
  type Backend,
  byteSize,
  castTo,
  type DeviceTensor,
  type FloatDType,
  floatsOf,
  type Precision,
  type ProblemOf,
  randomNormal,
  randomSource,
  randomUniform,
  type Tensors,
  tensor,
  type UploadOptions,
} from '@flashmla/tensor';
import { deviceRun } from './device-run.ts';
import type { Geometry } from './geometry.ts';
import { encoderModel } from './onnx/onnx-model.ts';
import type { LayerWeights, LinearWeights, NormWeights } from './onnx/weights.ts';
import type { Workload } from './workload.ts';

/** BERT's. */
const epsilon = 1e-12;

type DeviceWeights = { readonly [Part in keyof LayerWeights]: { weight: DeviceTensor; bias: DeviceTensor } };

export interface EncoderWorkloadOptions {
  /** What ours keeps weights and hidden states in, see `loadModel`; a peer's stay float32. Default 'float32'. */
  readonly dtype?: Precision;
  /** Whether a run leaves its output on the device; otherwise reading it is part of the run, as it is for a peer. */
  readonly staysOnDevice?: boolean;
}

export class EncoderWorkloads {
  readonly #backend: Backend;
  readonly #geometry: Geometry;
  readonly #dtype: FloatDType;
  readonly #linearWeight: UploadOptions;
  readonly #staysOnDevice: boolean;
  readonly #host: readonly LayerWeights[];
  readonly #device: DeviceWeights[] = [];
  readonly #uploaded: DeviceTensor[] = [];

  /** Draws the weights of `geometry.layers` layers and uploads them. */
  constructor(
    backend: Backend,
    geometry: Geometry,
    { dtype = 'float32', staysOnDevice = false }: EncoderWorkloadOptions = {},
  ) {
    this.#backend = backend;
    this.#geometry = geometry;
    this.#dtype = floatsOf(dtype);
    this.#linearWeight = { purpose: 'linear-weight', ...(dtype === 'int8' && { quantization: dtype }) };
    this.#staysOnDevice = staysOnDevice;
    this.#host = Array.from({ length: geometry.layers }, (_, index) => randomLayer(geometry, 100 * (index + 1)));
    try {
      for (const weights of this.#host) this.#device.push(this.#upload(weights));
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /** Gives the weights back. */
  dispose(): void {
    for (const one of this.#uploaded) one.dispose();
  }

  /** @param batch texts; default 1 */
  readonly workloadOf = (tokens: number, k: number, batch = 1): Workload => {
    const { modelDim, heads } = this.#geometry;
    const shape = [batch, tokens, modelDim];
    const hidden = randomNormal(batch * tokens * modelDim, randomSource(1));
    const own = { backend: this.#backend, dim: modelDim, heads };
    const dense = this.#device.map((projections) => new DenseAttention({ ...own, projections }));
    const sparse = this.#device.map(
      // Each with a gate of its own, which fits itself in the first run; that one is not timed.
      (projections) => new FlashMLAAttention({ ...own, projections, k, crossover: 0 }),
    );
    const run = (attention: readonly AttentionModule[]) =>
      deviceRun(this.#backend, !this.#staysOnDevice, (signal) =>
        this.#forward(this.#backend.upload(castTo(tensor(hidden, shape), this.#dtype)), attention, signal),
      );
    const sizes = { layers: this.#host, heads, epsilon, batch, tokens };
    return {
      own: { 'flashmla-sparse': run(sparse), 'flashmla-dense': run(dense) },
      boundaryBytes: 2 * hidden.length * byteSize(this.#dtype),
      peerGraphs: (precision) => [
        { name: 'plain', bytes: () => encoderModel({ ...sizes, precision, fused: false }) },
        { name: 'fused', bytes: () => encoderModel({ ...sizes, precision, fused: true }) },
      ],
      peerInputs: { hidden: { data: hidden, shape } },
      peerOutputs: { timed: 'output', compared: 'output' },
      dispose() {
        for (const module of [...dense, ...sparse]) module.dispose();
      },
    };
  };

  /** Runs all layers; `hidden` is disposed. */
  async #forward(
    hidden: DeviceTensor,
    attention: readonly AttentionModule[],
    signal: AbortSignal,
  ): Promise<DeviceTensor> {
    let state = hidden;
    for (const [index, module] of attention.entries()) state = await this.#layer(state, index, module, signal);
    return state;
  }

  /** x ← norm(x + attention(x)), x ← norm(x + contract(gelu(expand(x)))); `input` is disposed. */
  async #layer(input: DeviceTensor, index: number, attention: AttentionModule, signal: AbortSignal) {
    const { modelDim, intermediateDim } = this.#geometry;
    const parts = this.#device[index]!;
    const [batch, tokens] = input.shape as [number, number, number];
    const rows = batch * tokens;
    const dtype = this.#dtype;
    const live = new Set<DeviceTensor>([input]);
    const release = (...tensors: DeviceTensor[]) => {
      for (const one of tensors) {
        live.delete(one);
        one.dispose();
      }
    };
    const step = async (problem: ProblemOf<'linear' | 'layer-norm'>, width: number, inputs: Tensors) => {
      const program = await this.#backend.prepare(problem);
      const output = this.#backend.allocate([batch, tokens, width], dtype);
      live.add(output);
      this.#backend.dispatch(program, inputs, { output }, { signal });
      return output;
    };
    const norm = (inputs: Tensors) =>
      step({ op: 'layer-norm', rows, modelDim, epsilon, residual: true, dtype }, modelDim, inputs);
    const { quantization } = this.#linearWeight;
    const linear = (inFeatures: number, outFeatures: number, activation: 'none' | 'gelu', inputs: Tensors) =>
      step(
        {
          ...{ op: 'linear', rows, inFeatures, outFeatures, bias: true, activation, dtype },
          ...(quantization && { quantization }),
        },
        outFeatures,
        inputs,
      );
    try {
      const attended = (await attention.forward(input, { signal })) as DeviceTensor;
      live.add(attended);
      const between = await norm({ input: attended, residual: input, ...parts.attentionNorm });
      release(input, attended);
      const expanded = await linear(modelDim, intermediateDim, 'gelu', { input: between, ...parts.intermediate });
      const contracted = await linear(intermediateDim, modelDim, 'none', { input: expanded, ...parts.ffnOutput });
      release(expanded);
      const output = await norm({ input: contracted, residual: between, ...parts.outputNorm });
      live.delete(output);
      return output;
    } finally {
      release(...live);
    }
  }

  #upload(weights: LayerWeights): DeviceWeights {
    const place = (data: Float32Array, shape: readonly number[], isMatrix: boolean) => {
      const device = this.#backend.upload(castTo(tensor(data, shape), this.#dtype), isMatrix ? this.#linearWeight : {});
      this.#uploaded.push(device);
      return device;
    };
    const parts = Object.entries(weights).map(([name, { weight, bias }]: [string, LinearWeights | NormWeights]) => {
      const isMatrix = weight.length !== bias.length;
      const shape = isMatrix ? [bias.length, weight.length / bias.length] : [bias.length];
      return [name, { weight: place(weight, shape, isMatrix), bias: place(bias, [bias.length], false) }];
    });
    return Object.fromEntries(parts) as DeviceWeights;
  }
}

/** Weights that keep hidden states, queries and keys at a variance of about 1. */
export function randomLayer(
  { modelDim, intermediateDim }: Pick<Geometry, 'modelDim' | 'intermediateDim'>,
  seed: number,
): LayerWeights {
  const dense = (outFeatures: number, inFeatures: number, own: number): LinearWeights => ({
    weight: uniform(outFeatures * inFeatures, seed + own, 1 / Math.sqrt(inFeatures)),
    bias: uniform(outFeatures, seed + own + 50, 0.1),
  });
  const norm = (own: number): NormWeights => ({
    weight: uniform(modelDim, seed + own, 0.1).map((x) => 1 + x),
    bias: uniform(modelDim, seed + own + 50, 0.1),
  });
  return {
    query: dense(modelDim, modelDim, 1),
    key: dense(modelDim, modelDim, 2),
    value: dense(modelDim, modelDim, 3),
    output: dense(modelDim, modelDim, 4),
    attentionNorm: norm(5),
    intermediate: dense(intermediateDim, modelDim, 6),
    ffnOutput: dense(modelDim, intermediateDim, 7),
    outputNorm: norm(8),
  };
}

/** Uniform numbers of mean 0. */
function uniform(length: number, seed: number, deviation: number): Float32Array {
  return randomUniform(length, randomSource(seed), Math.sqrt(3) * deviation);
}
