// What a kernel of this backend says about a problem before anything runs: steps, grids, arguments, memory. Pure.

import { type FloatDType, floatDTypeOf, type Plan, type Problem, type Refusal } from '@flashmla/tensor';

/** An argument after the pointers: a 32-bit integer, or a float32 made by `float`. */
export type Word = number | FloatWord;

export interface FloatWord {
  readonly float: number;
}

export const float = (value: number): FloatWord => ({ float: value });

export type Dimensions = readonly [x: number, y: number, z: number];

/** What is put on the stream at once; the next step sees everything that it wrote. */
export type Step = KernelStep | ProductStep;

/** One launch of a kernel. */
export interface KernelStep {
  /** The entry point, as kernels/*.cu names it: 'linear_f32_64x64'. */
  readonly kernel: string;
  /** Blocks. */
  readonly grid: Dimensions;
  /** Threads of a block. */
  readonly block: Dimensions;
  /** Dynamic shared memory of a block; above 48 KiB the kernel must be allowed it before it is launched. */
  readonly sharedBytes: number;
  /** The pointer arguments: names of tensors and buffers, in order. One that is not there is a null pointer. */
  readonly bindings: readonly string[];
  /** The arguments that follow, in order. */
  readonly words: readonly Word[];
}

/** One call of cuBLASLt. */
export interface ProductStep {
  /** What profiles call it. */
  readonly kernel: string;
  readonly product: Product;
  /** Names of tensors and buffers. */
  readonly bindings: readonly ['input', 'weight', 'bias', 'output', 'workspace'];
}

/** output [rows, outFeatures] = activation(input [rows, inFeatures] · weight [outFeatures, inFeatures]ᵀ + bias [outFeatures]) */
export interface Product {
  readonly rows: number;
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** Of all its tensors; sums are float32. */
  readonly type: Suffix;
  readonly bias: boolean;
  /** Those that cuBLASLt has. */
  readonly activation: 'none' | 'relu' | 'gelu-tanh';
}

export interface CudaPlan extends Plan {
  readonly steps: readonly Step[];
  /** Memory that is held while the op runs: bytes by name. */
  readonly buffers: Readonly<Record<string, number>>;
}

/** What a device offers that plans and refusals rest on. */
export interface CudaTraits {
  /** Ten times the major version plus the minor one: 80, 87, 89, 90, 100, 120. */
  readonly computeCapability: number;
  readonly multiprocessors: number;
  /** Most shared memory of a block, opted in. */
  readonly sharedBytesPerBlock: number;
  /** Bytes of workspace that cuBLASLt takes for a product, undefined for one it does not do; absent where it is not there. */
  readonly cublas?: (product: Product) => number | undefined;
}

/** One op on this backend; its file has the op's name. */
export interface Kernel<P> {
  refuses?(problem: P, traits: CudaTraits): Refusal | undefined;
  /** The ways to run a problem, the default first; left out where there is one. */
  variants?(problem: P, traits: CudaTraits): readonly string[];
  /** @param variant one of `variants` */
  plan(problem: P, traits: CudaTraits, variant: string): Omit<CudaPlan, 'scratchBytes'>;
}

/**
 * A launch of `blocks` blocks of `threads` threads, each of them `parts` times (kernels/parts.cuh); no step at all when there is
 * nothing to do.
 */
export function launch(
  kernel: string,
  blocks: number,
  threads: number,
  {
    bindings,
    words,
    sharedBytes = 0,
    parts = 1,
  }: { bindings: readonly string[]; words: readonly Word[]; sharedBytes?: number; parts?: number },
): KernelStep[] {
  if (blocks === 0) return [];
  return [{ kernel, grid: [blocks, parts, 1], block: [threads, 1, 1], sharedBytes, bindings, words }];
}

/**
 * How many blocks share a sum out where as many as `blocks` would leave multiprocessors idle.
 *
 * @param length of the sum, @param least of it that a part has: less would be joined for longer than it is computed
 */
export function partsOf(blocks: number, length: number, least: number, { multiprocessors }: CudaTraits): number {
  if (blocks === 0) return 1;
  return Math.max(1, Math.min(Math.floor(multiprocessors / blocks), Math.floor(length / least)));
}

/** How entry points name the element type of a problem. */
export const suffixOf = (problem: Problem): Suffix => suffixes[floatDTypeOf(problem)];

export type Suffix = 'f32' | 'f16' | 'bf16';

const suffixes: Readonly<Record<FloatDType, Suffix>> = { float32: 'f32', float16: 'f16', bfloat16: 'bf16' };
