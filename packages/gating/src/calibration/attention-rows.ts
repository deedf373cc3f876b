// Rows of dense attention, which gates learn from: computed by the backend, a slice of rows at a time, so that no more than
// a slice of queries × keys is ever there.

import { type Backend, execute, tensor } from '@flashmla/tensor';
import { softmaxRows } from '../matrix.ts';

/** One head of one text. */
export interface HeadInputs {
  /** [tokens, headDim] */
  readonly queries: Float32Array;
  /** [tokens, headDim] */
  readonly keys: Float32Array;
  readonly headDim: number;
  /** Of the logits. */
  readonly scale: number;
}

const rowsPerSlice = 256;

/** softmax(scale · q · keysᵀ) of the queries at `rows`, slice by slice: [the slice's rows, keys]. */
export async function* attentionRows(
  backend: Backend,
  { queries, keys, headDim, scale }: HeadInputs,
  rows: readonly number[],
): AsyncGenerator<Float64Array> {
  const tokens = keys.length / headDim;
  const weight = backend.upload(tensor(keys, [tokens, headDim]), { purpose: 'linear-weight' });
  try {
    for (let start = 0; start < rows.length; start += rowsPerSlice) {
      const slice = rows.slice(start, start + rowsPerSlice);
      const scaled = new Float32Array(slice.length * headDim);
      for (const [i, row] of slice.entries()) {
        for (let d = 0; d < headDim; d++) scaled[i * headDim + d] = scale * queries[row * headDim + d];
      }
      const input = backend.upload(tensor(scaled, [slice.length, headDim]));
      const { output } = await execute(
        backend,
        {
          ...{ op: 'linear', rows: slice.length, inFeatures: headDim, outFeatures: tokens },
          ...{ bias: false, activation: 'none' },
        },
        { input, weight },
      );
      input.dispose();
      try {
        yield softmaxRows(Float64Array.from((await output.data()) as Float32Array), tokens);
      } finally {
        output.dispose();
      }
    }
  } finally {
    weight.dispose();
  }
}

/** Those rows together, [rows, keys]. */
export async function attentionAt(
  backend: Backend,
  inputs: HeadInputs,
  rows: readonly number[],
): Promise<Float64Array> {
  const attention = new Float64Array((rows.length * inputs.keys.length) / inputs.headDim);
  let start = 0;
  for await (const slice of attentionRows(backend, inputs, rows)) {
    attention.set(slice, start);
    start += slice.length;
  }
  return attention;
}
