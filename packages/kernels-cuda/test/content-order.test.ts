// Content orders of more tokens than one block takes: several launches that split, then one down to the leaves.

import { type ContentOrderProblem, execute, randomNormal, randomSource, reference, tensor } from '@flashmla/tensor';
import { beforeAll, expect, test } from 'vitest';
import { planOf } from '../src/kernels/index.ts';
import { kernelBackend } from './support/kernel-backend.ts';
import { describeOnShim, shim } from './support/shim.ts';
import { large } from './support/traits.ts';

const problem: ContentOrderProblem = {
  op: 'content-order',
  ...{ batch: 1, heads: 2, tokens: 5000, rank: 4, leaf: 16, mask: false },
};

test('nodes of more than 1024 tokens are split by a launch for each level', () => {
  const kernels = (tokens: number) => planOf({ ...problem, tokens }, large).steps.map(({ kernel }) => kernel);
  expect(kernels(1024)).toEqual(['content_order_start', 'content_order_leaves']);
  const split = 'content_order_split';
  expect(kernels(5000)).toEqual(['content_order_start', split, split, split, 'content_order_leaves']);
});

describeOnShim('a long content order', () => {
  beforeAll(() => void shim(), 300_000);

  test('is the reference’s', async () => {
    // Dimensions of different width: which one is the widest hangs on no rounding.
    const normals = randomNormal(2 * 5000 * 4, randomSource(7));
    const points = Float32Array.from(normals, (value, i) => value * 3 ** (i % 4));
    const backend = kernelBackend(large);
    const { order } = await execute(backend, problem, { points: backend.upload(tensor(points, [1, 2, 5000, 4])) });
    expect(await order!.data()).toEqual(reference(problem, { points }).order);
  });
});
