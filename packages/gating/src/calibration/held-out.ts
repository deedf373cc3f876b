// How good a gate is on texts that it did not learn from, on the kernels that will run it.

import type { Backend } from '@flashmla/tensor';
import { ContentGate } from '../content-gate.ts';
import type { LearnableGate } from '../gate.ts';
import { type HeadQualities, type LayerDimensions, type LayerSample, measureGate } from '../measure-gate.ts';

/**
 * The qualities of each head, mean over the texts, for each of the shapes that the gate may select in, lists first: those
 * are what is reported.
 */
export async function measureHeldOut(
  gate: LearnableGate,
  samples: readonly LayerSample[],
  dimensions: LayerDimensions,
  k: (tokens: number) => number,
  backend: Backend,
): Promise<readonly HeadQualities[]> {
  if (!(gate instanceof ContentGate)) return [await measureGate(gate, samples, { ...dimensions, k, backend })];
  // Heads learn and are compared with k keys each, however a budget was spread.
  const state = { ...gate.state(), shares: undefined };
  const shapes: HeadQualities[] = [];
  // 'auto' is settled by time; what is learned must not depend on that.
  for (const shape of gate.shape === 'auto' ? (['lists', 'blocks'] as const) : [gate.shape]) {
    using fixed = new ContentGate({ shape });
    fixed.load(state);
    shapes.push(await measureGate(fixed, samples, { ...dimensions, k, backend }));
  }
  return shapes;
}

/** Whether a head is better for what it learned: more recall, and in no shape a larger error. */
export function isBetter(before: readonly HeadQualities[], after: readonly HeadQualities[], head: number): boolean {
  const noWorse = after.every((shape, i) => shape[head].error <= before[i][head].error);
  return noWorse && after[0][head].recall > before[0][head].recall;
}
