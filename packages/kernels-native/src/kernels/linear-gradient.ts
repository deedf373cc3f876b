// linear-gradient: dz, then two products; see ../../native/linear-gradient.hpp.

import { ceilDivide, type LinearGradientProblem } from '@flashmla/tensor';
import { type Kernel, piecesBytes, roundUp, type Traits } from '../plan.ts';
import { packedBytes, packStep } from '../weights.ts';
import { productStep } from './linear.ts';
import { tileColumns, tileRows } from './tile.ts';

/** Rows of a task of packPanels. */
const PANEL_ROWS = 32;
/** Rows of the batch that a task of weightGradient packs at a time. */
const DEPTH_BLOCK = 256;
/** Of a task of weightGradient, at most: what it keeps of both operands and of the sums is to stay in the second level of cache. */
const MOST_ROWS = 144;
const MOST_COLUMNS = 256;
const TASKS_PER_THREAD = 2;

/** Whole tiles of one size, in as many equal blocks as it takes. */
const blockOf = (size: number, tile: number, blocks: number): number =>
  tile * ceilDivide(ceilDivide(size, tile), blocks);

/** How weightGradient is cut: blocks of one size, enough of them for all threads. */
function weightGradientBlocks({ inFeatures, outFeatures }: LinearGradientProblem, traits: Traits) {
  let across = ceilDivide(inFeatures, MOST_COLUMNS);
  let down = ceilDivide(outFeatures, MOST_ROWS);
  const sizes = () => ({
    rowBlock: blockOf(outFeatures, tileRows(traits), down),
    columnBlock: blockOf(inFeatures, tileColumns(traits), across),
  });
  let { rowBlock, columnBlock } = sizes();
  while (across * down < TASKS_PER_THREAD * traits.threads) {
    if (columnBlock > tileColumns(traits) && columnBlock >= rowBlock) across++;
    else if (rowBlock > tileRows(traits)) down++;
    else break;
    ({ rowBlock, columnBlock } = sizes());
  }
  return { rowBlock, columnBlock, tasks: ceilDivide(inFeatures, columnBlock) * ceilDivide(outFeatures, rowBlock) };
}

export const linearGradient: Kernel<LinearGradientProblem> = {
  plan(problem, traits) {
    const { rows, inFeatures, outFeatures, activation } = problem;
    const format = { dtype: 'float32' } as const;
    const active = activation !== 'none';
    const dz = active ? 'dz' : 'outputGradient';
    const transposed = { outFeatures: inFeatures, inFeatures: outFeatures };
    const { rowBlock, columnBlock, tasks } = weightGradientBlocks(problem, traits);
    const product = rows * inFeatures * outFeatures;
    const padded = (columns: number) => roundUp(columns, tileColumns(traits));
    return {
      steps: [
        ...(active
          ? [
              packStep('weight', 'packed', problem, format, traits),
              productStep('linearSlopes', ['input', 'packed', 'bias', 'dz', 'outputGradient'], problem, traits),
            ]
          : []),
        {
          kernel: 'packPanels',
          tasks: ceilDivide(outFeatures, PANEL_ROWS),
          arguments: ['weight', 'packed', outFeatures, inFeatures],
        },
        productStep(
          'linear_f32',
          [dz, 'packed', 0, 'inputGradient', 0],
          { rows, ...transposed, activation: 'none' },
          traits,
        ),
        {
          kernel: 'weightGradient',
          tasks,
          arguments: [
            ...['input', dz, 'weightGradient', 'biasGradient'],
            ...[rows, inFeatures, outFeatures, rowBlock, columnBlock],
          ],
        },
      ],
      buffers: {
        packed: Math.max(packedBytes(transposed, format, traits), active ? packedBytes(problem, format, traits) : 0),
        ...(active && { dz: 4 * rows * outFeatures }),
      },
      threadBytes: piecesBytes(
        ...[4 * DEPTH_BLOCK * rowBlock, 4 * DEPTH_BLOCK * columnBlock],
        4 * rowBlock * columnBlock,
      ),
      usefulMultiplyAdds: (active ? 3 : 2) * product,
      issuedMultiplyAdds:
        rows * (padded(inFeatures) * outFeatures + (active ? padded(outFeatures) * inFeatures : 0)) +
        rows * roundUp(outFeatures, tileRows(traits)) * padded(inFeatures),
    };
  },
};
