// linear: packed weight panels × tiles of rows; see ../../native/linear.hpp.

import { ceilDivide, floatDTypeOf, type LinearProblem } from '@flashmla/tensor';
import { type Argument, type Kernel, type NativeDType, roundUp, type Step, type Traits } from '../plan.ts';
import { type Format, formatSuffix, packedBytes, packStep, readsRowsInPlace, unitsOf } from '../weights.ts';
import { activationCode } from './activation-code.ts';
import { tileColumns } from './tile.ts';

/**
 * Columns of a task at most, in panels, and rows: what fits best is a matter of the caches. In float32 the weight is what
 * comes from far: the more rows a task has, the more often it is used.
 */
const WIDE = { mostPanels: 4, mostRows: 576 };
const NARROW = { mostPanels: 8, mostRows: 96 };
/** Rows of a task are a multiple of this where there are more tasks: whole register tiles of every architecture. */
const ROW_STEP = 96;
/** Tasks a thread should get, so that the last ones end together. */
const TASKS_PER_THREAD = 4;
/** Rows of a task of packRows. */
const PACKED_ROWS = 16;

const formatOf = (problem: LinearProblem): Format => ({
  dtype: floatDTypeOf(problem) as NativeDType,
  quantization: problem.quantization,
});

/** A product, cut into tasks; `operands` are the words of the kernel that precede the sizes. */
export function productStep(
  kernel: string,
  operands: readonly Argument[],
  { rows, inFeatures, outFeatures, activation, dtype, quantization }: Omit<LinearProblem, 'op' | 'bias'>,
  traits: Traits,
): Step {
  const { mostPanels, mostRows } = quantization || dtype === 'bfloat16' ? NARROW : WIDE;
  const columns = tileColumns(traits);
  const evenRows = ceilDivide(rows, Math.max(1, ceilDivide(rows, mostRows)));
  const rowBlock = Math.max(1, Math.min(rows, roundUp(evenRows, ROW_STEP)));
  const rowBlocks = ceilDivide(rows, rowBlock);
  let panels = Math.min(mostPanels, ceilDivide(outFeatures, columns));
  const wanted = TASKS_PER_THREAD * traits.threads;
  while (panels > 1 && rowBlocks * ceilDivide(outFeatures, panels * columns) < wanted) panels = ceilDivide(panels, 2);
  const columnBlock = panels * columns;
  return {
    kernel,
    tasks: rowBlocks * ceilDivide(outFeatures, columnBlock),
    arguments: [...operands, rows, inFeatures, outFeatures, activationCode(activation), rowBlock, columnBlock],
  };
}

export const linear: Kernel<LinearProblem> = {
  plan(problem, traits, packedWeight) {
    const { rows, inFeatures, outFeatures } = problem;
    const format = formatOf(problem);
    const suffix = formatSuffix(format);
    const inPlace = readsRowsInPlace(inFeatures, format, traits);
    const packRows: Step = {
      kernel: `packRows_${suffix}`,
      tasks: ceilDivide(rows, PACKED_ROWS),
      arguments: ['input', 'packedRows', 'rowScales', rows, inFeatures],
    };
    const operands = [inPlace ? 'input' : 'packedRows', packedWeight ? 'weight' : 'packedWeight'];
    const multiply = productStep(`linear_${suffix}`, [...operands, 'bias', 'output', 'rowScales'], problem, traits);
    return {
      steps: [
        ...(packedWeight ? [] : [packStep('weight', 'packedWeight', problem, format, traits)]),
        ...(inPlace ? [] : [packRows]),
        multiply,
      ],
      buffers: {
        ...(!packedWeight && { packedWeight: packedBytes(problem, format, traits) }),
        ...(!inPlace && { packedRows: 4 * rows * unitsOf(inFeatures, format, traits) }),
        ...(format.quantization && { rowScales: 4 * rows }),
      },
      threadBytes: 0,
      usefulMultiplyAdds: rows * inFeatures * outFeatures,
      issuedMultiplyAdds: rows * inFeatures * roundUp(outFeatures, tileColumns(traits)),
    };
  },
};
