// The losses of the learners: their gradients against central differences, and their recall against what the gate itself
// selects.

import { referenceBackend } from '@flashmla/conformance';
import { describe, expect, it } from 'vitest';
import { BlockLearner, blockExample } from '../../src/calibration/block-learner.ts';
import { ContentLearner, contentExample } from '../../src/calibration/content-learner.ts';
import type { HeadLearner } from '../../src/calibration/head-learner.ts';
import { SlotLearner, slotExample } from '../../src/calibration/slot-learner.ts';
import { normalSource } from '../data.ts';

const headDim = 6;
const tokens = 23;
const normal = normalSource(7);
const noise = (count: number, size = 1) => Float64Array.from({ length: count }, () => size * normal());
const inputs = {
  queries: Float32Array.from(noise(tokens * headDim)),
  keys: Float32Array.from(noise(tokens * headDim)),
  headDim,
  scale: 1 / Math.sqrt(headDim),
};
const rows = [0, 1, 4, 4, 2];
const backend = referenceBackend();

/** Largest difference between the gradient and central differences, relative to the largest of the gradient. */
function gradientError<Example>(learner: HeadLearner<Example>, example: Example): number {
  const parameters = learner.start.slice();
  const gradient = new Float64Array(parameters.length);
  learner.loss(parameters, example, rows, gradient);
  const step = 1e-5;
  const differences = parameters.map((value, i) => {
    parameters[i] = value + step;
    const above = learner.loss(parameters, example, rows);
    parameters[i] = value - step;
    const below = learner.loss(parameters, example, rows);
    parameters[i] = value;
    return Math.abs((above - below) / (2 * step) - gradient[i]);
  });
  return Math.max(...differences) / Math.max(...gradient.map(Math.abs));
}

describe('gradients', () => {
  it("of a content gate's maps", async () => {
    const example = await contentExample(backend, inputs, [0, 3, 9, 15, 22], 4);
    const learner = new ContentLearner(noise(2 * headDim * 3), headDim);
    expect(gradientError(learner, example)).toBeLessThan(1e-6);
  });

  it("of a block gate's maps and bias", async () => {
    const example = await blockExample(backend, inputs, 4, 2);
    const learner = new BlockLearner(noise(4 * headDim * 3 + 5), headDim, 3);
    expect(gradientError(learner, example)).toBeLessThan(1e-6);
  });

  it("of a slot gate's weights", async () => {
    const modelDim = 5;
    const example = await slotExample(backend, inputs, noise(tokens * modelDim), [0, 3, 9, 15, 22], 4);
    const learner = new SlotLearner(noise(4 * (modelDim + 1)), modelDim);
    expect(gradientError(learner, example)).toBeLessThan(1e-6);
  });
});
