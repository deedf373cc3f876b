// Rows of a tensor as a tensor of their own: what every backend that has views checks and works out.

import { byteSize } from './dtype.ts';
import { FlashMLAError } from './errors.ts';
import { elementCount, formatShape } from './shape.ts';
import type { DeviceTensor } from './tensor.ts';

export interface RowView {
  readonly shape: readonly number[];
  /** Where it begins in the storage. */
  readonly byteOffset: number;
}

/**
 * Rows `start` to `end` of `given`, see `Backend.rows`.
 *
 * @param source who asks, for the message: '[kernels-cpu]'
 * @param packed whether `given` was uploaded for a purpose, so that its rows do not lie one after the other
 */
export function rowView(
  source: string,
  given: DeviceTensor,
  start: number,
  end: number,
  { packed, shape }: { packed: boolean; shape?: readonly number[] | undefined },
): RowView {
  if (packed) {
    throw new FlashMLAError(
      'invalid-argument',
      `${source} rows of a tensor ${formatShape(given.shape)} that was uploaded as a linear weight; upload it without a purpose.`,
    );
  }
  const rows = elementCount(given.shape.slice(0, -1));
  const features = given.shape.at(-1) ?? 1;
  const whole = Number.isSafeInteger(start) && Number.isSafeInteger(end);
  if (!whole || start < 0 || end < start || end > rows) {
    throw new FlashMLAError(
      'invalid-argument',
      `${source} rows ${start} to ${end} of a tensor ${formatShape(given.shape)}; expected whole numbers, 0 ≤ start ≤ end ≤ ${rows}.`,
    );
  }
  const natural = [end - start, features];
  if (shape && elementCount(shape) !== elementCount(natural)) {
    throw new FlashMLAError(
      'invalid-argument',
      `${source} ${formatShape(natural)} elements of rows as ${formatShape(shape)}; expected a shape of as many.`,
    );
  }
  return { shape: shape ?? natural, byteOffset: given.byteOffset + start * features * byteSize(given.dtype) };
}
