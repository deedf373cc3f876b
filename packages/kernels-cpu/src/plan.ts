// What a kernel of this backend says about a problem before anything runs: steps, tasks, arguments, memory. Pure.

import type { Plan, Refusal } from '@flashmla/tensor';
import type { KernelName } from './protocol.ts';

/**
 * An argument word: a tensor or buffer by name (its address, 0 when it is not bound), an integer, or a float32 made by
 * `float`.
 */
export type Argument = string | number;

/** The argument word of an output where an input has the same name, for the input after the op. */
export const updated = (name: string): string => `${name}′`;

/** One kernel over `tasks` independent tasks; the next step starts when all are done. */
export interface Step {
  readonly kernel: KernelName;
  readonly tasks: number;
  readonly arguments: readonly Argument[];
}

export interface CpuPlan extends Plan {
  readonly steps: readonly Step[];
  /** Memory all threads share while the op runs, by name. */
  readonly buffers: Readonly<Record<string, number>>;
  /** Memory of each thread's own. */
  readonly threadBytes: number;
}

/** One op on this backend; its file has the op's name. */
export interface Kernel<P> {
  refuses?(problem: P): Refusal | undefined;
  /** Names for `plan`, the default first; left out where there is one way only. */
  readonly variants?: readonly string[];
  plan(problem: P, options: PlanOptions, variant: string): Omit<CpuPlan, 'scratchBytes'>;
}

/** What `linear` is made of on this engine and CPU. */
export interface Traits {
  /** Rows of the register tile; default 4, which every engine runs well. */
  readonly rowTile?: RowTile;
  /** Default: two a unit, which every engine multiplies. */
  readonly int8?: Int8Units;
}

export interface PlanOptions extends Traits {
  readonly threads: number;
  /** Whether `weight` was packed when it was uploaded (purpose 'linear-weight'). */
  readonly packedWeight: boolean;
}

export type RowTile = 4 | 6;

/** How int8 is multiplied: see assembly/linear-int8.ts. */
export interface Int8Units {
  /** Numbers in 32 bits: four as int8, or two as int16. */
  readonly perUnit: 4 | 2;
  /** What an input's numbers are moved up by. */
  readonly offset: 0 | 128;
}

export const twoPerUnit: Int8Units = { perUnit: 2, offset: 0 };

/** Bytes of everything a plan holds while it runs. */
export function scratchBytes(plan: Omit<CpuPlan, 'scratchBytes'>, threads: number): number {
  const shared = Object.values(plan.buffers).reduce((sum, byteLength) => sum + byteLength, 0);
  return shared + threads * plan.threadBytes;
}

const word = new DataView(new ArrayBuffer(4));

/** The argument word that a kernel reads back as this float32. */
export function float(value: number): number {
  word.setFloat32(0, value, true);
  return word.getInt32(0, true);
}

export const roundUp = (value: number, multiple: number): number => Math.ceil(value / multiple) * multiple;
