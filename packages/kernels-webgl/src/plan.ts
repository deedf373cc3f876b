// What a kernel of this backend says about a problem before anything runs: passes over textures, and what they hold. Pure.

import { costOf, elementCount, inputSpecs, outputSpecs, type Plan, type Problem, type Refusal } from '@flashmla/tensor';
import { channelsOfDType, maxElements, textureBytes } from './layout.ts';
import { channelsOf, type Shader } from './shader.ts';

/** A texture by name (that of a tensor, or of the output of an earlier step), or a number. */
export type Argument = string | number;

/** A texture where none is given: a shader that is told so does not read it. */
export const NONE = '';

/** One shader over all elements of its output. */
export interface Step {
  readonly shader: Shader;
  /** A tensor of the op, or a texture that only this op knows. A step may read what it replaces. */
  readonly output: string;
  readonly elements: number;
  /** By the names of the shader's parameters. */
  readonly arguments: Readonly<Record<string, Argument>>;
}

export interface WebGLPlan extends Plan {
  readonly steps: readonly Step[];
  /** For each step the textures that no later one reads. */
  readonly last: readonly (readonly string[])[];
}

/** One op on this backend; its file has the op's name. */
export interface Kernel<P> {
  steps(problem: P): readonly Step[];
  /** Multiply-adds of all elements of all steps, masked ones included. */
  issuedMultiplyAdds(problem: P): number;
  /** The largest whole number that one of its textures holds as a float, if any does. */
  largestIndex?(problem: P): number;
}

export function makePlan(problem: Problem, kernel: Kernel<Problem>, maxTextureSize: number): WebGLPlan {
  const steps = kernel.steps(problem).filter(({ elements }) => elements > 0);
  const tensors = new Set([...Object.keys(inputSpecs(problem)), ...Object.keys(outputSpecs(problem))]);
  const lastReader = new Map<string, number>();
  for (const [i, step] of steps.entries()) {
    for (const name of [step.output, ...Object.values(step.arguments)]) {
      if (typeof name === 'string' && name !== NONE && !tensors.has(name)) lastReader.set(name, i);
    }
  }
  const last = steps.map((_, i) => [...lastReader].filter(([, reader]) => reader === i).map(([name]) => name));
  // Nothing that is computed here counts as useful unless the op's declaration says so.
  const usefulMultiplyAdds = costOf(problem).flops / 2;
  return {
    steps,
    last,
    scratchBytes: peakBytes(steps, last, tensors, maxTextureSize),
    usefulMultiplyAdds,
    issuedMultiplyAdds: Math.max(usefulMultiplyAdds, kernel.issuedMultiplyAdds(problem)),
  };
}

/** Most bytes of textures that are held at once beside the tensors. */
function peakBytes(
  steps: readonly Step[],
  last: readonly (readonly string[])[],
  tensors: ReadonlySet<string>,
  maxTextureSize: number,
): number {
  const held = new Map<string, number>();
  let peak = 0;
  for (const [i, { shader, output, elements }] of steps.entries()) {
    const bytes = textureBytes(elements * channelsOf(shader), maxTextureSize);
    const sum = [...held.values()].reduce((a, b) => a + b, 0) + (tensors.has(output) ? 0 : bytes);
    peak = Math.max(peak, sum);
    if (!tensors.has(output)) held.set(output, bytes);
    for (const name of last[i]!) held.delete(name);
  }
  return peak;
}

/** The largest of the whole numbers that float32 tells apart from all others. */
const MAX_INDEX = 2 ** 24;

/** Refuses what would need a texture larger than there is, or an index that a float does not hold. */
export function refusesSize(problem: Problem, kernel: Kernel<Problem>, maxTextureSize: number): Refusal | undefined {
  const index = kernel.largestIndex?.(problem) ?? 0;
  if (index > MAX_INDEX) {
    return {
      reason: `it counts up to ${index} in floats, which are exact up to ${MAX_INDEX}`,
      advice: 'shorten the input, or use a backend without this limit',
    };
  }
  const tensors = Object.entries({ ...inputSpecs(problem), ...outputSpecs(problem) });
  const sizes: [string, number, 1 | 2][] = [
    ...tensors.map(([name, { shape, dtype }]): [string, number, 1 | 2] => [
      name,
      elementCount(shape),
      channelsOfDType(dtype),
    ]),
    ...kernel
      .steps(problem)
      .map(({ shader, output, elements }): [string, number, 1 | 2] => [output, elements, channelsOf(shader)]),
  ];
  const tooLarge = sizes.find(([, elements, channels]) => elements > maxElements(channels, maxTextureSize));
  if (!tooLarge) return undefined;
  const [name, elements, channels] = tooLarge;
  return {
    reason: `'${name}' has ${elements} elements, and a texture of this device holds ${maxElements(channels, maxTextureSize)}`,
    advice: 'shorten the input, run smaller batches, or use a backend without this limit',
  };
}
