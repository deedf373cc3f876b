// How good a gate is on texts that it did not learn from, on the kernels that will run it.

import { type Backend, tensor } from '@flashmla/tensor';
import { ContentGate } from '../content-gate.ts';
import type { LearnableGate } from '../gate.ts';
import { measureSelection, type Quality } from '../recall.ts';
import type { LayerDimensions, LayerSample } from './layer-sample.ts';

/** For each head. */
export type HeadQualities = readonly Quality[];

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
  if (!(gate instanceof ContentGate)) return [await measure(gate, samples, dimensions, k, backend)];
  const state = gate.state();
  const shapes: HeadQualities[] = [];
  // 'auto' is settled by time; what is learned must not depend on that.
  for (const shape of gate.shape === 'auto' ? (['lists', 'blocks'] as const) : [gate.shape]) {
    using fixed = new ContentGate({ shape });
    fixed.load(state);
    shapes.push(await measure(fixed, samples, dimensions, k, backend));
  }
  return shapes;
}

async function measure(
  gate: LearnableGate,
  samples: readonly LayerSample[],
  { heads, headDim }: LayerDimensions,
  k: (tokens: number) => number,
  backend: Backend,
): Promise<HeadQualities> {
  const sums = Array.from({ length: heads }, () => ({ recall: 0, error: 0 }));
  for (const { tokens, query, key, value, hidden } of samples) {
    const upload = (values: Float32Array, ...shape: number[]) => backend.upload(tensor(values, shape));
    const uploaded = [query, key, value].map((values) => upload(values, 1, tokens, heads, headDim));
    const states = upload(hidden, 1, tokens, hidden.length / tokens);
    try {
      const inputs = { backend, query: uploaded[0], key: uploaded[1], layout: 'tokens-first' } as const;
      using selection = await gate.select({ ...inputs, hidden: states, k: k(tokens) });
      const qualities = await measureSelection({ ...inputs, value: uploaded[2], selection });
      for (const [head, { recall, error }] of qualities.heads.entries()) {
        sums[head].recall += recall / samples.length;
        sums[head].error += error / samples.length;
      }
    } finally {
      for (const one of [...uploaded, states]) one.dispose();
    }
  }
  return sums;
}

/** Whether a head is better for what it learned: more recall, and in no shape a larger error. */
export function isBetter(before: readonly HeadQualities[], after: readonly HeadQualities[], head: number): boolean {
  const noWorse = after.every((shape, i) => shape[head].error <= before[i][head].error);
  return noWorse && after[0][head].recall > before[0][head].recall;
}
