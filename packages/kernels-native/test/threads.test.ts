// Gradients have the same bits with any number of threads: what a sum is cut into is no matter of who computes it.

import { elementCount, execute, inputSpecs, type Problem, randomNormal, randomSource, tensor } from '@flashmla/tensor';
import { expect, test } from 'vitest';
import { provider } from '../dist/index.js';

const attention = {
  ...{ batch: 1, heads: 2, queries: 150, keys: 1100, headDim: 24, scale: 0.2, mask: false, causal: false },
  layout: 'tokens-first',
} as const;
const problems: readonly Problem[] = [
  { op: 'linear-gradient', rows: 300, inFeatures: 130, outFeatures: 290, bias: true, activation: 'gelu' },
  { op: 'layer-norm-gradient', rows: 300, modelDim: 130, epsilon: 1e-5, residual: false },
  { op: 'dense-attention-gradient', ...attention },
  { op: 'sum-of-squares', elements: 100_000 },
];

async function outputsOf(problem: Problem, threads: number): Promise<unknown[]> {
  await using backend = await provider.open({ threads });
  const random = randomSource(1);
  const inputs = Object.entries(inputSpecs(problem)).map(([name, { shape }]) => {
    return [name, backend.upload(tensor(randomNormal(elementCount(shape), random), shape))] as const;
  });
  const outputs = await execute(backend, problem, Object.fromEntries(inputs));
  return await Promise.all(Object.values(outputs).map((output) => output.data()));
}

test.for(problems)('$op', async (problem, { skip }) => {
  const { available, reason } = await provider.probe();
  if (!available) skip(reason);
  const alone = await outputsOf(problem, 1);
  for (const threads of [2, 5]) expect(await outputsOf(problem, threads)).toEqual(alone);
});
