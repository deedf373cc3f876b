// linear-gradient: dz, then two products; see ../../native/linear-gradient.hpp.

import { ceilDivide, type LinearGradientProblem } from '@flashmla/tensor';
import { type Kernel, piecesBytes, roundUp, type Traits } from '../plan.ts';
import { packedBytes, packStep } from '../weights.ts';
import { productStep } from './linear.ts';
import { tileColumns, tileRows } from './tile.ts';

/** Rows of a task of packPanels. */
const PANEL_ROWS = 32;
/** Rows of the batch that a task of weightGradient packs at a time. */
const DEPTH_BLOCK = 128;
/** Of a task of weightGradient, at most: both operands and the sums are to stay in the second level of cache. */
const MOST_ROWS = 264;
const MOST_COLUMNS = 256;
/** Multiply-adds in the time that it takes to pack an element. */
const PACKING = 20;

/** How weightGradient is cut: into equal blocks, so that the thread with the most has the least to do. */
function weightGradientBlocks({ inFeatures, outFeatures }: LinearGradientProblem, traits: Traits) {
  const rowBlocks = equalBlocks(outFeatures, tileRows(traits), MOST_ROWS);
  const columnBlocks = equalBlocks(inFeatures, tileColumns(traits), MOST_COLUMNS);
  const cuts = rowBlocks.flatMap((rows) =>
    columnBlocks.map((columns) => {
      const tasks = rows.count * columns.count;
      const work = rows.size * columns.size + PACKING * (rows.size + columns.size);
      return { rowBlock: rows.size, columnBlock: columns.size, tasks, time: ceilDivide(tasks, traits.threads) * work };
    }),
  );
  return cuts.reduce((best, cut) => (cut.time < best.time ? cut : best));
}

/** The ways to cut a size into equal blocks of whole tiles, the largest first. */
function equalBlocks(size: number, tile: number, most: number): { size: number; count: number }[] {
  const tiles = ceilDivide(size, tile);
  const fewest = ceilDivide(size, most);
  const blocks = Array.from({ length: tiles - fewest + 1 }, (_, more) => tile * ceilDivide(tiles, fewest + more));
  return [...new Set(blocks)].map((block) => ({ size: block, count: ceilDivide(size, block) }));
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
