// What a kernel of this backend says about a problem before anything runs: steps, workgroups, parameters, memory. Pure.

import type { Plan, Refusal } from '@flashmla/tensor';

/** What WGSL has of the precisions that ops may have. */
export type ElementDType = 'float32' | 'float16';

/** A parameter word of a step: an unsigned integer, or a float32 made by `float`. */
export type Word = number | FloatWord;

export interface FloatWord {
  readonly float: number;
}

export const float = (value: number): FloatWord => ({ float: value });

/** One dispatch of a shader; the next step sees everything that it wrote. */
export interface Step {
  /** Name of the WGSL file. */
  readonly shader: string;
  /** Constants that the source is compiled with; what is a workgroup's or an array's size has to be one. */
  readonly constants: Readonly<Record<string, number>>;
  /** What `element` is in the source: that of the problem, which need not be told here. */
  readonly dtype?: ElementDType;
  /** The struct Params of the shader, in its order. */
  readonly params: readonly Word[];
  /** What stands at binding 1, 2, …: names of tensors and buffers. One that is not there is bound to zeros. */
  readonly bindings: readonly string[];
  readonly workgroups: number;
}

export interface GpuPlan extends Plan {
  readonly steps: readonly Step[];
  /** Memory that is held while the op runs: bytes by name. */
  readonly buffers: Readonly<Record<string, number>>;
}

/** What a device offers that plans and refusals rest on. */
export interface GpuTraits {
  readonly features: ReadonlySet<string>;
  readonly limits: { readonly maxStorageBufferBindingSize: number };
  /** Whether the CPU computes (SwiftShader, llvmpipe): barriers and workgroup memory cost there, and gain nothing. */
  readonly onCpu?: boolean;
  /** Sizes of subgroups, where the device has 'subgroups'. */
  readonly subgroupSizes?: { readonly min: number; readonly max: number };
}

/** One op on this backend; its file has the op's name. */
export interface Kernel<P> {
  refuses?(problem: P, traits: GpuTraits): Refusal | undefined;
  /** Names for `plan`, the default first; left out where there is one way only. */
  variants?(problem: P, traits: GpuTraits): readonly string[];
  plan(problem: P, traits: GpuTraits, variant: string): Omit<GpuPlan, 'scratchBytes'>;
}
