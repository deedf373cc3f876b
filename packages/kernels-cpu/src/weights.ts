// Weights of linear, packed at upload: what a packed weight takes, the step that makes one, and the way back to rows.
//
//   float32  panels [⌈outFeatures / 8⌉][inFeatures][8]
//   int8     panels [⌈outFeatures / 8⌉][units][8] of units of 32 bits, then a float32 scale and an int32 correction for each
//            column (../assembly/linear-int8.ts)

import { ceilDivide } from '@flashmla/tensor';
import { type Int8Units, roundUp, type Step } from './plan.ts';

export interface Matrix {
  readonly outFeatures: number;
  readonly inFeatures: number;
}

/** undefined is float32. */
export type Format = Int8Units | undefined;

/** int8 are quantized by as many at a time: STEP of the kernels. */
const STEP = 16;

/** Units of 32 bits in a row of int8. */
export const unitsOf = (inFeatures: number, { perUnit }: Int8Units): number => roundUp(inFeatures, STEP) / perUnit;

/** Bytes of a thread's own while it packs. */
export const packThreadBytes = 4 * STEP;

export function packedBytes({ outFeatures, inFeatures }: Matrix, format: Format): number {
  const columns = roundUp(outFeatures, 8);
  return format ? columns * (4 * unitsOf(inFeatures, format) + 8) : 4 * columns * inFeatures;
}

/** The step that packs `weight` into `packed`. */
export function packStep(weight: string, packed: string, { outFeatures, inFeatures }: Matrix, format: Format): Step {
  const tasks = ceilDivide(outFeatures, 8);
  const matrix = [weight, packed, outFeatures, inFeatures];
  if (!format) return { kernel: 'packWeight', tasks, arguments: matrix };
  const { perUnit, offset } = format;
  return { kernel: 'quantizeWeight', tasks, arguments: [...matrix, unitsOf(inFeatures, format), perUnit, offset] };
}

/** The rows that were packed; of int8, what is left of them. */
export function unpack(packed: ArrayBuffer, { outFeatures, inFeatures }: Matrix, format: Format): Float32Array {
  const perUnit = format?.perUnit ?? 1;
  const elements = new { 1: Float32Array, 2: Int16Array, 4: Int8Array }[perUnit](packed);
  const units = format ? unitsOf(inFeatures, format) : inFeatures;
  const columns = roundUp(outFeatures, 8);
  const scales = format && new Float32Array(packed, 4 * columns * units, columns);
  const rows = new Float32Array(outFeatures * inFeatures);
  for (let row = 0; row < outFeatures; row++) {
    const panel = Math.floor(row / 8) * units;
    const scale = scales ? scales[row]! : 1;
    for (let i = 0; i < inFeatures; i++) {
      const unit = (panel + Math.floor(i / perUnit)) * 8 + (row % 8);
      rows[row * inFeatures + i] = elements[unit * perUnit + (i % perUnit)]! * scale;
    }
  }
  return rows;
}
