// linear of int8: the input's rows are quantized to tiles, then multiplied; see ../../assembly/linear-int8.ts.

import { ceilDivide, type LinearProblem } from '@flashmla/tensor';
import { type CpuPlan, type Int8Units, type RowTile, roundUp, type Step } from '../plan.ts';
import { packedBytes, packStep, packThreadBytes, unitsOf } from '../weights.ts';
import { activationCode } from './activation-code.ts';
import type { Blocks } from './linear.ts';

/** Rows of a task of quantizeRows. */
const ROWS = 8;
/** Scratch of linearInt8: a tile and an edge of columns. */
const TILE_BYTES = 224;

export function planInt8(
  problem: LinearProblem,
  { rowBlock, columnBlock, tasks, issuedRows }: Blocks,
  { rowTile, int8, packedWeight }: { rowTile: RowTile; int8: Int8Units; packedWeight: boolean },
): Omit<CpuPlan, 'scratchBytes'> {
  const { rows, inFeatures, outFeatures, activation } = problem;
  const { perUnit, offset } = int8;
  const units = unitsOf(inFeatures, int8);
  // 128 more is the highest bit the other way round.
  const flip = offset === 128 ? 0x80808080 | 0 : 0;
  const quantizeRows: Step = {
    kernel: 'quantizeRows',
    tasks: ceilDivide(rows, ROWS),
    arguments: ['input', 'quantized', 'rowScales', rows, inFeatures, units, rowTile, perUnit, flip],
  };
  const multiply: Step = {
    kernel: 'linearInt8',
    tasks,
    arguments: [
      ...['quantized', 'rowScales', packedWeight ? 'weight' : 'packed', 'bias', 'output'],
      ...[rows, outFeatures, units, activationCode(activation), rowBlock, columnBlock, rowTile, perUnit],
    ],
  };
  return {
    steps: [...(packedWeight ? [] : [packStep('weight', 'packed', problem, int8)]), quantizeRows, multiply],
    buffers: {
      ...(!packedWeight && { packed: packedBytes(problem, int8) }),
      quantized: 4 * roundUp(rows, rowTile) * units,
      rowScales: 4 * rows,
    },
    threadBytes: Math.max(TILE_BYTES, packThreadBytes),
    usefulMultiplyAdds: rows * inFeatures * outFeatures,
    issuedMultiplyAdds: issuedRows * units * perUnit * roundUp(outFeatures, 8),
  };
}
