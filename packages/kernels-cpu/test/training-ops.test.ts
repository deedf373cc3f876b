// Ops of training on this backend: the same bits whatever the number of threads, and memory that grows with the length alone.

import { compareBits, conformanceCases } from '@flashmla/conformance';
import {
  type Backend,
  execute,
  fromFloat32,
  inputSpecs,
  isFloatDType,
  type Problem,
  type SparseAttentionGradientProblem,
  type TypedArray,
  tensor,
  trainingOpNames,
} from '@flashmla/tensor';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { planOf, provider } from '../dist/index.js';

const rerun = conformanceCases().filter(
  ({ problem, runs = 1 }) => runs > 1 && trainingOpNames.some((op) => op === problem.op),
);

type Outputs = Readonly<Record<string, TypedArray>>;

async function outputsOf(
  backend: Backend,
  problem: Problem,
  arrays: Readonly<Record<string, TypedArray>>,
): Promise<Outputs> {
  const uploaded = Object.entries(inputSpecs(problem)).map(([name, { shape, dtype }]) => {
    const array = isFloatDType(dtype) ? fromFloat32(arrays[name] as Float32Array, dtype) : arrays[name]!;
    return [name, backend.upload(tensor(array, shape, dtype))] as const;
  });
  const outputs = await execute(backend, problem, Object.fromEntries(uploaded));
  const read = Object.entries(outputs).map(async ([name, output]) => [name, await output.data()] as const);
  const results = Object.fromEntries(await Promise.all(read));
  for (const held of [...uploaded.map(([, held]) => held), ...Object.values(outputs)]) held.dispose();
  return results;
}

describe('the same bits whatever the number of threads', () => {
  const several: [threads: number, backend: Backend][] = [];
  let alone: Backend;
  beforeAll(async () => {
    alone = await provider.open({ threads: 1 });
    for (const threads of [2, 3, 7]) several.push([threads, await provider.open({ threads })]);
  });
  afterAll(() => Promise.all([alone, ...several.map(([, backend]) => backend)].map((backend) => backend.dispose())));

  test('each op of training is among the cases', () => {
    expect(new Set(rerun.map(({ problem }) => problem.op))).toEqual(new Set(trainingOpNames));
  });

  test.each(rerun.map((testCase) => [testCase.name, testCase] as const))('%s', async (_, { problem, inputs }) => {
    const arrays = inputs();
    const expected = await outputsOf(alone, problem, arrays);
    for (const [threads, backend] of several) {
      const outputs = await outputsOf(backend, problem, arrays);
      expect(Object.keys(outputs)).toEqual(Object.keys(expected));
      for (const [name, whole] of Object.entries(expected))
        compareBits(`${name}, ${threads} threads`, outputs[name]!, whole);
    }
  });
});

test.each([
  [1, 1, 32],
  [16, 16, 8],
  [64, 64, 4],
])(
  'sparse attention, tiles %i×%i: what is held beside the tensors grows with the length, not its square',
  (tileQueries, blockKeys, slots) => {
    const scratchOf = (tokens: number) => {
      const problem: SparseAttentionGradientProblem = {
        op: 'sparse-attention-gradient',
        ...{ batch: 1, heads: 12, queries: tokens, keys: tokens, headDim: 64, layout: 'tokens-first', scale: 0.125 },
        ...{ mask: false, causal: false, tileQueries, blockKeys, slots, keyOrder: true, queryOrder: true },
        residualGroup: Math.max(64, tokens / 32),
      };
      return planOf(problem, { threads: 2, packedWeight: false }).scratchBytes;
    };
    // From here on a pass is one head.
    expect(scratchOf(32768) / scratchOf(16384)).toBeLessThan(2.1);
    expect(scratchOf(8192)).toBeLessThan(32 * 2 ** 20);
  },
);
