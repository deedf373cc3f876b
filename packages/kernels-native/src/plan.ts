// What a kernel of this backend says about a problem before anything runs: steps, tasks, arguments, memory. Pure.

import { floatDTypeOf, type Plan, type Problem, type Refusal } from '@flashmla/tensor';

/** An argument word: a tensor or buffer by name (its address, 0 when it is not bound), or a number. */
export type Argument = string | number;

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
export interface Traits {
  readonly threads: number;
  /** float32 in a vector of the instruction set: 16, 8 or 4. */
  readonly lanes: number;
  /** Whether `weight` was packed when it was uploaded (purpose 'linear-weight'). */
  readonly packedWeight: boolean;
}

/** One op on this backend; its file has the op's name. */
export interface Kernel<P> {
  refuses?(problem: P): Refusal | undefined;
  plan(problem: P, traits: Traits): Omit<NativePlan, 'scratchBytes'>;
}

/** Bytes of everything a plan holds while it runs. */
export function scratchBytes(plan: Omit<NativePlan, 'scratchBytes'>, threads: number): number {
  const shared = Object.values(plan.buffers).reduce((sum, byteLength) => sum + byteLength, 0);
  return shared + threads * plan.threadBytes;
}

/** The part of a kernel's name that says what it reads and writes. */
export const suffixOf = (problem: Problem): string => suffixes[floatDTypeOf(problem) as keyof typeof suffixes];

const suffixes = { float32: 'f32' } as const;

export const roundUp = (value: number, multiple: number): number => Math.ceil(value / multiple) * multiple;

/** Bytes of pieces of scratch, each on a 64-byte boundary: `Scratch` of native/words.hpp. */
export const piecesBytes = (...pieces: readonly number[]): number =>
  pieces.reduce((sum, byteLength) => sum + roundUp(byteLength, 64), 0);
