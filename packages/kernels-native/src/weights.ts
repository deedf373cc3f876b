// Weights of linear, packed: which format an op multiplies in, what a packed weight takes, and the steps that make one and
// bring it back; see ../native/linear.hpp.

import { ceilDivide } from '@flashmla/tensor';
import { tileColumns } from './kernels/tile.ts';
import { type Argument, type NativeDType, roundUp, type Step, suffixes, type Traits } from './plan.ts';

export interface Matrix {
  readonly outFeatures: number;
  readonly inFeatures: number;
}

/** What is stored, and whether it is multiplied as int8. */
export interface Format {
  readonly dtype: NativeDType;
  readonly quantization?: 'int8' | undefined;
}

/** As the kernels' names have it: 'f32', 'bf16', 'f32_int8', 'bf16_int8'. */
export const formatSuffix = ({ dtype, quantization }: Format): string =>
  quantization ? `${suffixes[dtype]}_${quantization}` : suffixes[dtype];

/** Elements of depth in 32 bits of a packed operand. */
const perUnit = ({ dtype, quantization }: Format, traits: Traits): number =>
  quantization ? traits.int8PerUnit : dtype === 'bfloat16' && traits.bfloat16Products ? 2 : 1;

/** Rows of units are a multiple of this: a step of AMX. */
const unitMultiple = 16;

/** Units of a row of a packed operand: unitsOf of the kernels. */
export function unitsOf(inFeatures: number, format: Format, traits: Traits): number {
  const size = perUnit(format, traits);
  return size === 1 ? inFeatures : roundUp(ceilDivide(inFeatures, size), unitMultiple);
}

/** Whether rows of the input are multiplied as they lie. */
export function readsRowsInPlace(inFeatures: number, format: Format, traits: Traits): boolean {
  if (format.quantization) return false;
  if (format.dtype === 'float32') return true;
  return traits.bfloat16Products && inFeatures === 2 * unitsOf(inFeatures, format, traits);
}

/** Bytes of a packed weight. */
export function packedBytes({ outFeatures, inFeatures }: Matrix, format: Format, traits: Traits): number {
  const columns = roundUp(outFeatures, tileColumns(traits));
  const scales = format.quantization ? 8 * columns : 0;
  return 4 * columns * unitsOf(inFeatures, format, traits) + scales;
}

/** The step that packs a weight. */
export const packStep = (from: Argument, to: Argument, matrix: Matrix, format: Format, traits: Traits): Step => ({
  kernel: `packWeight_${formatSuffix(format)}`,
  tasks: ceilDivide(matrix.outFeatures, tileColumns(traits)),
  arguments: [from, to, matrix.outFeatures, matrix.inFeatures],
});

/** The step that brings it back to rows. */
export const unpackStep = (from: Argument, to: Argument, matrix: Matrix, format: Format, traits: Traits): Step => ({
  ...packStep(from, to, matrix, format, traits),
  kernel: `unpackWeight_${formatSuffix(format)}`,
});
