// Encoder layers from hidden states to hidden states: one, or a whole stack, each with weights of its own. Embeddings,
// mask and head are left out on all sides.

import type { AttentionModule } from '@flashmla/attention';
import {
  type Backend,
  byteSize,
  castTo,
  type FloatDType,
  floatsOf,
  type Precision,
  randomNormal,
  randomSource,
  tensor,
} from '@flashmla/tensor';
import { deviceRun } from './device-run.ts';
import { EncoderStack } from './encoder-stack.ts';
import type { Geometry } from './geometry.ts';
import { encoderModel } from './onnx/onnx-model.ts';
import type { Workload } from './workload.ts';

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
  readonly #staysOnDevice: boolean;
  readonly #stack: EncoderStack;

  /** Draws the weights of `geometry.layers` layers and uploads them. */
  constructor(
    backend: Backend,
    geometry: Geometry,
    { dtype = 'float32', staysOnDevice = false }: EncoderWorkloadOptions = {},
  ) {
    this.#backend = backend;
    this.#geometry = geometry;
    this.#dtype = floatsOf(dtype);
    this.#staysOnDevice = staysOnDevice;
    this.#stack = new EncoderStack(backend, geometry, dtype);
  }

  /** Gives the weights back. */
  dispose(): void {
    this.#stack.dispose();
  }

  /** @param batch texts; default 1 */
  readonly workloadOf = (tokens: number, k: number, batch = 1): Workload => {
    const { modelDim, heads } = this.#geometry;
    const shape = [batch, tokens, modelDim];
    const hidden = randomNormal(batch * tokens * modelDim, randomSource(1));
    // The gates fit themselves in the first run; that one is not timed.
    const sparse = this.#stack.sparse(k);
    const run = (attention: readonly AttentionModule[]) =>
      deviceRun(this.#backend, !this.#staysOnDevice, (signal) =>
        this.#stack.forward(this.#backend.upload(castTo(tensor(hidden, shape), this.#dtype)), attention, signal),
      );
    const { weights: layers, normEpsilon: epsilon } = this.#stack;
    const sizes = { layers, heads, epsilon, batch, tokens };
    return {
      own: { 'flashmla-sparse': run(sparse), 'flashmla-dense': run(this.#stack.dense) },
      boundaryBytes: 2 * hidden.length * byteSize(this.#dtype),
      peerGraphs: (precision) => [
        { name: 'plain', bytes: () => encoderModel({ ...sizes, precision, fused: false }) },
        { name: 'fused', bytes: () => encoderModel({ ...sizes, precision, fused: true }) },
      ],
      peerInputs: { hidden: { data: hidden, shape } },
      peerOutputs: { timed: 'output', compared: 'output' },
      dispose() {
        for (const module of sparse) module.dispose();
      },
    };
  };
}
