// What a kernel of this backend says about a problem before anything runs: steps, tasks, arguments, memory. Pure.

import { type FloatDType, floatDTypeOf, type Plan, type Problem, type Refusal } from '@flashmla/tensor';
import type { Architecture } from './addon.ts';

/** An argument word: a tensor or buffer by name (its address, 0 when it is not bound), or a number. */
export type Argument = string | number;

/** The argument word of an output where an input has the same name, for the input after the op. */
export const updated = (name: string): string => `${name}′`;

/** One kernel over `tasks` independent tasks; the next step starts when all are done. */
export interface Step {
  /** As native/kernels.cpp names it: 'linear_f32'. */
  readonly kernel: string;
  readonly tasks: number;
  readonly arguments: readonly Argument[];
}

export interface NativePlan extends Plan {
  readonly steps: readonly Step[];
  /** Memory all threads share while the op runs: bytes by name. */
  readonly buffers: Readonly<Record<string, number>>;
  /** Memory of each thread's own. */
  readonly threadBytes: number;
}

/** What plans depend on beside the problem. */
export interface Traits extends Pick<Architecture, 'lanes' | 'bfloat16Products' | 'int8PerUnit' | 'tiles'> {
  readonly threads: number;
}

/** One op on this backend; its file has the op's name. */
export interface Kernel<P> {
  refuses?(problem: P): Refusal | undefined;
  /** @param packedWeight whether `weight` was packed when it was uploaded (purpose 'linear-weight') */
  plan(problem: P, traits: Traits, packedWeight: boolean): Omit<NativePlan, 'scratchBytes'>;
}

/** Bytes of everything a plan holds while it runs. */
export function scratchBytes(plan: Omit<NativePlan, 'scratchBytes'>, threads: number): number {
  const shared = Object.values(plan.buffers).reduce((sum, byteLength) => sum + byteLength, 0);
  return shared + threads * plan.threadBytes;
}

/** The part of a kernel's name that says what it reads and writes. */
export const suffixOf = (problem: Problem): string => suffixes[floatDTypeOf(problem) as NativeDType];

/** What activations and weights may be stored in. */
export type NativeDType = Exclude<FloatDType, 'float16'>;
export const suffixes: Readonly<Record<NativeDType, string>> = { float32: 'f32', bfloat16: 'bf16' };
export const nativeDTypes = Object.keys(suffixes) as readonly NativeDType[];

export const roundUp = (value: number, multiple: number): number => Math.ceil(value / multiple) * multiple;

/** Bytes of pieces of scratch, each on a 64-byte boundary: `Scratch` of native/words.hpp. */
export const piecesBytes = (...pieces: readonly number[]): number =>
  pieces.reduce((sum, byteLength) => sum + roundUp(byteLength, 64), 0);
