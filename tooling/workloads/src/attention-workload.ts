// Attention alone: softmax(q·kᵀ/√headDim)·v, and for the sparse side all of the gate: projection into the gate space,
// content order, selection. Inputs lie on the device beforehand, and the output stays there.

import { denseAttention, sparseAttention } from '@flashmla/attention';
import { ContentGate } from '@flashmla/gating';
import {
  type Backend,
  byteSize,
  castTo,
  type DeviceTensor,
  type FloatDType,
  randomNormal,
  randomSource,
  tensor,
} from '@flashmla/tensor';
import { deviceRun } from './device-run.ts';
import type { Geometry } from './geometry.ts';
import { attentionModel } from './onnx/onnx-model.ts';
import type { Workload, WorkloadOf } from './workload.ts';

/** @param dtype what ours keeps queries, keys, values and outputs in; a peer's stay float32 */
export function attentionWorkloads(
  backend: Backend,
  { heads, headDim }: Geometry,
  dtype: FloatDType = 'float32',
): WorkloadOf {
  return (tokens, k): Workload => {
    const shape = [1, heads, tokens, headDim];
    const length = heads * tokens * headDim;
    const host = {
      query: { data: randomNormal(length, randomSource(1)), shape },
      key: { data: randomNormal(length, randomSource(2)), shape },
      value: { data: randomNormal(length, randomSource(3)), shape },
    };
    const uploaded: DeviceTensor[] = [];
    const upload = (name: keyof typeof host) => {
      const device = backend.upload(castTo(tensor(host[name].data, shape), dtype));
      uploaded.push(device);
      return device;
    };
    // Noise has no structure, and a gate fitted to it would take all the dimensions it can get; real heads take 8.
    const gate = new ContentGate({ rank: 8 });
    const dispose = () => {
      gate.dispose();
      for (const one of uploaded) one.dispose();
    };
    try {
      const inputs = { query: upload('query'), key: upload('key'), value: upload('value') };
      return {
        own: {
          'flashmla-sparse': deviceRun(backend, false, async (signal) => {
            // The first call, which is not timed, fits the gate to these queries and keys.
            const selection = await gate.select({ backend, query: inputs.query, key: inputs.key, k, signal });
            try {
              const { output, lse } = await sparseAttention(backend, { ...inputs, selection, signal });
              lse.dispose();
              return output;
            } finally {
              selection.dispose();
            }
          }),
          'flashmla-dense': deviceRun(backend, false, async (signal) => {
            const { output, lse } = await denseAttention(backend, { ...inputs, signal });
            lse.dispose();
            return output;
          }),
        },
        boundaryBytes: byteSize(dtype) * length + 4 * heads * tokens, // output and lse
        // Attention has no weights: the quantizer leaves it as it is.
        peerGraphs: (precision) =>
          precision === 'float32'
            ? [false, true].map((fused) => ({
                name: fused ? 'fused' : 'plain',
                bytes: () => attentionModel({ heads, headDim, batch: 1, tokens, fused }),
              }))
            : [],
        peerInputs: host,
        peerOutputs: { timed: 'output', compared: 'output' },
        dispose,
      };
    } catch (error) {
      dispose();
      throw error;
    }
  };
}
