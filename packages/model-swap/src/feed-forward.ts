// The feed-forward network of a layer, over many rows in pieces: what lies between its two products is four times as wide as
// all else in a layer, and would be the most memory that a long input takes (Kitaev et al. 2020, arXiv 2001.04451, section 4).

import { type DeviceTensor, elementCount, type Nonlinearity } from '@flashmla/tensor';
import type { LayerParts } from './architecture.ts';
import { linear } from './steps.ts';
import type { Workspace } from './workspace.ts';

/**
 * Rows of a piece at most: few enough that a piece is small beside long inputs, enough that products run as fast as on all.
 * Pieces of 1024 took up to 3 % longer in WASM, of 4096 no longer, and native kernels saw no difference.
 */
const pieceRows = 4096;

/** contract(activation(intermediate(input))), [..., modelDim] as `input`. In pieces where the backend has views of rows. */
export async function feedForward(
  work: Workspace,
  input: DeviceTensor,
  { intermediate, contract }: Pick<LayerParts<DeviceTensor>, 'intermediate' | 'contract'>,
  activation: Nonlinearity,
): Promise<DeviceTensor> {
  const rows = elementCount(input.shape.slice(0, -1));
  const pieces = work.backend.rows ? Math.ceil(rows / pieceRows) : 1;
  if (pieces <= 1) {
    const wide = await linear(work, input, intermediate, activation);
    const narrow = await linear(work, wide, contract);
    work.release(wide);
    return narrow;
  }
  const output = work.allocate(input.shape, input.dtype);
  const step = Math.ceil(rows / pieces);
  for (let start = 0; start < rows; start += step) {
    const end = Math.min(start + step, rows);
    const from = work.rows(input, start, end);
    const to = work.rows(output, start, end);
    const wide = await linear(work, from, intermediate, activation);
    await linear(work, wide, contract, 'none', to);
    work.release(from, wide, to);
  }
  return output;
}
