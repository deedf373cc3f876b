// linear: packed weight panels × tiles of rows; see ../../native/linear.hpp.

import { ceilDivide, type LinearProblem } from '@flashmla/tensor';
import { type Kernel, roundUp, type Step, suffixOf, type Traits } from '../plan.ts';
import { tileColumns, tileRows } from './tile.ts';

const ACTIVATIONS = ['none', 'gelu', 'gelu-tanh', 'tanh', 'relu'];
/** Columns of a task at most, in panels, and rows, in tiles: what fits best is a matter of the caches. */
const MOST_PANELS = 8;
const MOST_TILES = 8;
/** Tasks a thread should get, so that the last ones end together. */
const TASKS_PER_THREAD = 4;

export interface Matrix {
  readonly outFeatures: number;
  readonly inFeatures: number;
}

/** Bytes of a packed weight. */
export const packedBytes = ({ outFeatures, inFeatures }: Matrix, traits: Pick<Traits, 'lanes'>): number =>
  4 * roundUp(outFeatures, tileColumns(traits)) * inFeatures;

/** The step that packs a weight. */
export const packStep = (from: string, to: string, matrix: Matrix, traits: Pick<Traits, 'lanes'>): Step => ({
  kernel: 'packWeight_f32',
  tasks: ceilDivide(matrix.outFeatures, tileColumns(traits)),
  arguments: [from, to, matrix.outFeatures, matrix.inFeatures],
});

/** The step that brings it back to rows. */
export const unpackStep = (from: string, to: string, matrix: Matrix, traits: Pick<Traits, 'lanes'>): Step => ({
  ...packStep(from, to, matrix, traits),
  kernel: 'unpackWeight_f32',
});

export const linear: Kernel<LinearProblem> = {
  plan(problem, traits) {
    const { packedWeight } = traits;
    const { rows, inFeatures, outFeatures, activation } = problem;
    const columns = tileColumns(traits);
    const rowBlock = Math.min(MOST_TILES * tileRows(traits), Math.max(1, rows));
    const rowBlocks = ceilDivide(rows, rowBlock);
    let panels = Math.min(MOST_PANELS, ceilDivide(outFeatures, columns));
    const wanted = TASKS_PER_THREAD * traits.threads;
    while (panels > 1 && rowBlocks * ceilDivide(outFeatures, panels * columns) < wanted) panels = ceilDivide(panels, 2);
    const columnBlock = panels * columns;
    return {
      steps: [
        ...(packedWeight ? [] : [packStep('weight', 'packed', problem, traits)]),
        {
          kernel: `linear_${suffixOf(problem)}`,
          tasks: rowBlocks * ceilDivide(outFeatures, columnBlock),
          arguments: [
            ...['input', packedWeight ? 'weight' : 'packed', 'bias', 'output'],
            ...[rows, inFeatures, outFeatures, ACTIVATIONS.indexOf(activation), rowBlock, columnBlock],
          ],
        },
      ],
      buffers: { ...(!packedWeight && { packed: packedBytes(problem, traits) }) },
      threadBytes: 0,
      usefulMultiplyAdds: rows * inFeatures * outFeatures,
      issuedMultiplyAdds: rows * inFeatures * roundUp(outFeatures, columns),
    };
  },
};
