// linear: packed weight panels × tiles of 4 or 6 rows; see ../../assembly/linear.ts.

import { ceilDivide, type LinearProblem } from '@flashmla/tensor';
import { type Kernel, roundUp, type Step } from '../plan.ts';

const ACTIVATIONS = ['none', 'gelu', 'gelu-tanh', 'tanh', 'relu'];
/** Depth of a pass: DEPTH of the kernel. */
const DEPTH = 512;
/**
 * Rows × columns of a task at most. A block of rows is packed into the thread's own memory, DEPTH at a time, and goes
 * through its columns' panels: what fits best is a matter of the caches.
 */
const BLOCKS: Readonly<Record<string, readonly [rows: number, columns: number]>> = {
  '64x256': [64, 256],
  '32x128': [32, 128],
  '128x512': [128, 512],
};
const MIN_COLUMN_BLOCK = 32;
/** Tasks a thread should get, so that the last ones end together. */
const TASKS_PER_THREAD = 4;

/** f32 elements of a packed weight. */
export const packedElements = (outFeatures: number, inFeatures: number): number => roundUp(outFeatures, 8) * inFeatures;

/** The step that packs `weight` into `packed`. */
export const packStep = (weight: string, packed: string, outFeatures: number, inFeatures: number): Step => ({
  kernel: 'packWeight',
  tasks: ceilDivide(outFeatures, 8),
  arguments: [weight, packed, outFeatures, inFeatures],
});

export const linear: Kernel<LinearProblem> = {
  variants: Object.keys(BLOCKS),

  plan({ rows, inFeatures, outFeatures, activation }, { threads, packedWeight, rowTile = 4 }, variant) {
    const [mostRows, mostColumns] = BLOCKS[variant]!;
    const rowBlock = Math.min(roundUp(mostRows, rowTile), roundUp(rows, rowTile));
    const rowBlocks = ceilDivide(rows, Math.max(1, rowBlock));
    let columnBlock = Math.min(mostColumns, roundUp(outFeatures, 8));
    while (
      rowBlocks * ceilDivide(outFeatures, columnBlock) < TASKS_PER_THREAD * threads &&
      columnBlock > MIN_COLUMN_BLOCK
    ) {
      columnBlock = roundUp(columnBlock / 2, 8);
    }
    const weight = packedWeight ? 'weight' : 'packed';
    const multiply: Step[] = [
      {
        kernel: 'linear',
        tasks: rowBlocks * ceilDivide(outFeatures, columnBlock),
        arguments: [
          'input',
          weight,
          'bias',
          'output',
          rows,
          inFeatures,
          outFeatures,
          ACTIVATIONS.indexOf(activation),
          rowBlock,
          columnBlock,
          rowTile,
        ],
      },
    ];
    return {
      steps: packedWeight ? multiply : [packStep('weight', 'packed', outFeatures, inFeatures), ...multiply],
      buffers: { ...(!packedWeight && { packed: 4 * packedElements(outFeatures, inFeatures) }) },
      threadBytes: 4 * (56 + rowBlock * DEPTH),
      usefulMultiplyAdds: rows * inFeatures * outFeatures,
      issuedMultiplyAdds: issuedRows(rows, rowBlock, rowTile) * inFeatures * roundUp(outFeatures, 8),
    };
  },
};

/** Rows that are computed: those of whole tiles in each block, of which the last may be one of four. */
function issuedRows(rows: number, rowBlock: number, rowTile: number): number {
  const last = rows % Math.max(1, rowBlock);
  const left = last % rowTile;
  return rows - left + (left === 0 ? 0 : left > 4 ? rowTile : 4);
}
