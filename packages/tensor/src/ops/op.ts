// What an op's declaration says, and the arithmetic they share. One op a file beside this one.

import { byteSize, type DType, type FloatDType, type Quantization } from '../dtype.ts';
import { FlashMLAError } from '../errors.ts';
import { elementCount } from '../shape.ts';

export interface TensorSpec {
  readonly shape: readonly number[];
  readonly dtype: DType;
  /** What the elements must have been quantized to at upload. */
  readonly quantization?: Quantization;
}

export type TensorSpecs = Readonly<Record<string, TensorSpec>>;

/** What an op costs by its definition, whatever the kernel. */
export interface Cost {
  /** Floating-point operations; a multiply-add counts 2. */
  readonly flops: number;
  /** Bytes of inputs and outputs, each touched once, and of tables only the rows that are read. */
  readonly bytes: number;
}

/** By output, the inputs whose tensor it may be bound to as well. */
export type InPlace = Readonly<Record<string, readonly string[]>>;

/** The declaration of an op: the one place that says what it takes, gives and costs. */
export interface Op<P> {
  /** Raises FlashMLAError when the problem's own numbers make no sense. */
  validate(problem: P): void;
  inputs(problem: P): TensorSpecs;
  outputs(problem: P): TensorSpecs;
  /** Which outputs may overwrite an input; left out: every output has a tensor of its own. */
  readonly inPlace?: InPlace;
  flops(problem: P): number;
  /** Bytes of the inputs that are read, for ops that do not read them whole. */
  readBytes?(problem: P): number;
}

/** Of an op that can be done in several precisions, see `dtype` of its problem. */
export const float = (dtype: FloatDType = 'float32', ...shape: number[]): TensorSpec => ({ shape, dtype });
export const float32 = (...shape: number[]): TensorSpec => ({ shape, dtype: 'float32' });
export const int32 = (...shape: number[]): TensorSpec => ({ shape, dtype: 'int32' });
export const uint8 = (...shape: number[]): TensorSpec => ({ shape, dtype: 'uint8' });

export function specBytes(specs: TensorSpecs): number {
  return Object.values(specs).reduce((sum, spec) => sum + elementCount(spec.shape) * byteSize(spec.dtype), 0);
}

/** Raises unless every named field of `problem` is a whole number ≥ `least`. */
export function checkDimensions<P extends { op: string }>(
  problem: P,
  least: number,
  ...names: (keyof P & string)[]
): void {
  for (const name of names) {
    const value = problem[name];
    if (!Number.isSafeInteger(value) || (value as number) < least) {
      throw new FlashMLAError(
        'invalid-argument',
        `[tensor] ${problem.op}: ${name} is ${String(value)}; expected a whole number ≥ ${least}.`,
      );
    }
  }
}

/** Raises with `[tensor] op: message` unless `condition` holds. */
export function check(problem: { op: string }, condition: boolean, message: string): void {
  if (!condition) throw new FlashMLAError('invalid-argument', `[tensor] ${problem.op}: ${message}`);
}

export const ceilDivide = (count: number, size: number) => Math.ceil(count / size);
