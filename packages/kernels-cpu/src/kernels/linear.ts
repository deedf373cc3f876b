// linear: packed weight panels × tiles of 4 or 6 rows; see ../../assembly/linear.ts.

import { ceilDivide, type LinearProblem } from '@flashmla/tensor';
import { type Kernel, type RowTile, roundUp, type Step, twoPerUnit } from '../plan.ts';
import { packedBytes, packStep } from '../weights.ts';
import { activationCode } from './activation-code.ts';
import { planInt8 } from './linear-int8.ts';

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

/** How the output is cut into tasks. */
export interface Blocks {
  readonly rowBlock: number;
  readonly columnBlock: number;
  readonly tasks: number;
  /** Rows that are computed. */
  readonly issuedRows: number;
}

function blocksOf(
  { rows, outFeatures }: LinearProblem,
  [mostRows, mostColumns]: readonly [number, number],
  threads: number,
  rowTile: RowTile,
): Blocks {
  const rowBlock = Math.min(roundUp(mostRows, rowTile), roundUp(rows, rowTile));
  const rowBlocks = ceilDivide(rows, Math.max(1, rowBlock));
  const tasksBy = (columns: number) => rowBlocks * ceilDivide(outFeatures, columns);
  let columnBlock = Math.min(mostColumns, roundUp(outFeatures, 8));
  while (tasksBy(columnBlock) < TASKS_PER_THREAD * threads && columnBlock > MIN_COLUMN_BLOCK) {
    columnBlock = roundUp(columnBlock / 2, 8);
  }
  return { rowBlock, columnBlock, tasks: tasksBy(columnBlock), issuedRows: issuedRows(rows, rowBlock, rowTile) };
}

export const linear: Kernel<LinearProblem> = {
  variants: Object.keys(BLOCKS),

  plan(problem, { threads, packedWeight, rowTile = 4, int8 = twoPerUnit }, variant) {
    const { rows, inFeatures, outFeatures, activation, quantization } = problem;
    const blocks = blocksOf(problem, BLOCKS[variant]!, threads, rowTile);
    if (quantization) return planInt8(problem, blocks, { rowTile, int8, packedWeight });
    const { rowBlock, columnBlock, tasks } = blocks;
    const weight = packedWeight ? 'weight' : 'packed';
    const multiply: Step = {
      kernel: 'linear',
      tasks,
      arguments: [
        ...['input', weight, 'bias', 'output'],
        ...[rows, inFeatures, outFeatures, activationCode(activation), rowBlock, columnBlock, rowTile],
      ],
    };
    return {
      steps: packedWeight ? [multiply] : [packStep('weight', 'packed', problem, undefined), multiply],
      buffers: { ...(!packedWeight && { packed: packedBytes(problem, undefined) }) },
      threadBytes: 4 * (56 + rowBlock * DEPTH),
      usefulMultiplyAdds: rows * inFeatures * outFeatures,
      issuedMultiplyAdds: blocks.issuedRows * inFeatures * roundUp(outFeatures, 8),
    };
  },
};

/** Rows that are computed: those of whole tiles in each block, of which the last may be one of four. */
function issuedRows(rows: number, rowBlock: number, rowTile: number): number {
  const last = rows % Math.max(1, rowBlock);
  const left = last % rowTile;
  return rows - left + (left === 0 ? 0 : left > 4 ? rowTile : 4);
}
