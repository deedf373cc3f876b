// Shapes: lists of non-negative whole numbers, outermost dimension first.

import { FlashMLAError } from './errors.ts';

/** Number of elements a shape holds; 1 for the empty shape. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((count, size) => count * size, 1);
}

export function formatShape(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}

/** Raises when `shape` is not a list of non-negative whole numbers. */
export function checkShape(shape: readonly number[]): void {
  if (!Array.isArray(shape) || !shape.every((size) => Number.isSafeInteger(size) && size >= 0)) {
    throw new FlashMLAError(
      'invalid-argument',
      `[tensor] shape ${JSON.stringify(shape)} given; a shape is a list of whole numbers ≥ 0.`,
    );
  }
}
