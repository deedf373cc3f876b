// The few ops an encoder is made of, with their sizes and precision taken from the tensors they are given.

import { type Activation, checkFloats, type DeviceTensor } from '@flashmla/tensor';
import type { LinearParts, NormParts } from './architecture.ts';
import type { Workspace } from './workspace.ts';

/**
 * activation(input · weightᵀ + bias), for an input [..., inFeatures].
 *
 * @param output where it goes, if that is there already
 */
export function linear(
  work: Workspace,
  input: DeviceTensor,
  { weight, bias }: LinearParts<DeviceTensor>,
  activation: Activation = 'none',
  output?: DeviceTensor,
): Promise<DeviceTensor> {
  const { rows, leading } = rowsOf(input);
  const [outFeatures, inFeatures] = weight.shape as [number, number];
  const { quantization } = weight;
  return work.run(
    {
      ...{ op: 'linear', rows, inFeatures, outFeatures, bias: true, activation },
      ...{ dtype: dtypeOf(input), ...(quantization && { quantization }) },
    },
    { input, weight, bias },
    output ?? [...leading, outFeatures],
  );
}

/** LayerNorm of input (+ residual). */
export function norm(
  work: Workspace,
  input: DeviceTensor,
  { weight, bias }: NormParts<DeviceTensor>,
  epsilon: number,
  residual?: DeviceTensor,
): Promise<DeviceTensor> {
  const { rows } = rowsOf(input);
  return work.run(
    {
      ...{ op: 'layer-norm', rows, modelDim: input.shape.at(-1)!, epsilon, residual: residual !== undefined },
      dtype: dtypeOf(input),
    },
    { input, weight, bias, ...(residual && { residual }) },
    input.shape,
  );
}

/** The rows of `input` [..., features] that `rows` int32 [count] names: [count, features]. */
export function gatherRows(work: Workspace, input: DeviceTensor, rows: DeviceTensor): Promise<DeviceTensor> {
  const modelDim = input.shape.at(-1)!;
  return work.run(
    {
      ...{ op: 'embedding', rows: rows.shape[0]!, modelDim, vocabulary: rowsOf(input).rows, positions: 0, types: 0 },
      dtype: dtypeOf(input),
    },
    { tokenIds: rows, word: input },
  );
}

const dtypeOf = (input: DeviceTensor) => checkFloats('[model-swap]', { input });

function rowsOf({ shape }: DeviceTensor) {
  const leading = shape.slice(0, -1);
  return { leading, rows: leading.reduce((count, size) => count * size, 1) };
}
