// What the plans promise of kernels, for devices that nobody has here.

import { conformanceCases } from '@flashmla/conformance';
import type { Activation, DenseAttentionProblem, LinearProblem, SparseAttentionProblem } from '@flashmla/tensor';
import { beforeAll, describe, expect, it } from 'vitest';
import { planOf, refusal, variantsOf } from '../src/kernels/index.ts';
import type { CudaPlan, KernelStep } from '../src/plan.ts';
import { describeOnShim, shim } from './support/shim.ts';
import { full, large, small, tight, withCublas } from './support/traits.ts';

const devices = { full, large, small, tight, withCublas };
/** Launches of kernels; products are cuBLASLt's. */
const kernelSteps = ({ steps }: CudaPlan) => steps.filter((step): step is KernelStep => !('product' in step));
const steps = conformanceCases()
  .filter(({ mayRefuse }) => !mayRefuse)
  .flatMap(({ problem }) =>
    Object.values(devices).flatMap((traits) =>
      variantsOf(problem, traits).flatMap((variant) => kernelSteps(planOf(problem, traits, variant))),
    ),
  );

describeOnShim('launches', () => {
  // Compiled here where it was not yet.
  beforeAll(() => void shim(), 300_000);

  it('name kernels that there are, and hand them what they take', () => {
    const { kernels } = shim();
    const wrong = steps.flatMap(({ kernel, bindings, words }) => {
      const given = 'p'.repeat(bindings.length) + words.map((word) => (typeof word === 'number' ? 'i' : 'f')).join('');
      const taken = kernels.get(kernel)?.signature;
      return given === taken ? [] : [`${kernel} takes ${taken}, is given ${given}`];
    });
    expect([...new Set(wrong)]).toEqual([]);
  });

  it('have blocks of whole warps, no larger than the kernel is built for', () => {
    const { kernels } = shim();
    for (const { kernel, block } of steps) {
      expect(block[0] % 32, kernel).toBe(0);
      expect(block[0], kernel).toBeLessThanOrEqual(kernels.get(kernel)!.threads);
      expect(block.slice(1), kernel).toEqual([1, 1]);
    }
  });
});

describe('launches', () => {
  it('have grids that every device takes', () => {
    for (const { kernel, grid } of steps) {
      expect(Math.min(...grid), kernel).toBeGreaterThan(0);
      expect(grid[0], kernel).toBeLessThan(2 ** 31);
      expect(Math.max(grid[1], grid[2]), kernel).toBeLessThan(2 ** 16);
    }
  });

  it('take no more shared memory than the smallest device allows a block', () => {
    for (const { kernel, sharedBytes } of steps) {
      expect(sharedBytes, kernel).toBeLessThanOrEqual(tight.sharedBytesPerBlock);
    }
  });
});

describe('sparse attention', () => {
  const problem = (tileQueries: number, blockKeys: number): SparseAttentionProblem => ({
    op: 'sparse-attention',
    ...{ batch: 1, heads: 12, queries: 4096, keys: 4096, headDim: 64, layout: 'tokens-first', scale: 0.125 },
    ...{ mask: false, causal: false, tileQueries, blockKeys, slots: 64 / blockKeys },
    ...{ keyOrder: true, queryOrder: true, residualGroup: 128, dtype: 'float16' },
  });

  it.each([
    [1, 1],
    [16, 1],
    [64, 1],
    [16, 16],
    [64, 64],
  ])('fills its tiles (%d, %d): compute density at least 0.9', (tileQueries, blockKeys) => {
    for (const traits of Object.values(devices)) {
      const { usefulMultiplyAdds, issuedMultiplyAdds } = planOf(problem(tileQueries, blockKeys), traits);
      expect(usefulMultiplyAdds / issuedMultiplyAdds).toBeGreaterThanOrEqual(0.9);
    }
  });

  it('takes memory that grows with the length, not with its square', () => {
    const bytes = (tokens: number) => planOf({ ...problem(16, 16), queries: tokens, keys: tokens }, large).scratchBytes;
    expect(bytes(32768) / bytes(8192)).toBeLessThan(4.1);
  });

  it('shares a tile out among the warps of a block where there are few tiles', () => {
    const kernelFor = (queries: number) => planOf({ ...problem(16, 16), queries, keys: queries }, large).steps.at(-1)!;
    expect(kernelFor(512)).toMatchObject({ kernel: 'sparse_tiles_f16_16_by4_64', grid: [384, 1, 1] });
    expect(kernelFor(65536)).toMatchObject({ kernel: 'sparse_tiles_f16_16_by1_64', grid: [12288, 1, 1] });
  });

  it('splits long lists where there are few queries', () => {
    const few = { ...problem(1, 1), queries: 1, keys: 65536, slots: 2048, residualGroup: 0 };
    const plan = planOf(few, large);
    expect(
      kernelSteps(plan)
        .slice(-2)
        .map(({ kernel, grid }) => [kernel, grid]),
    ).toEqual([
      ['sparse_queries_f16_64', [3, 8, 1]],
      ['merge_splits_f16', [3, 1, 1]],
    ]);
    expect(plan.buffers.partial).toBe(4 * 12 * 8 * 68);
  });

  it('has the warps of a block on one tile, on several or on a larger part of one', () => {
    const variants = (tileQueries: number, dtype: 'float16' | 'float32') =>
      variantsOf({ ...problem(tileQueries, 1), dtype }, large);
    expect(variants(1, 'float16')).toEqual(['default']);
    expect(variants(16, 'float16')).toEqual(['shared', 'warp']);
    expect(variants(64, 'float16')).toEqual(['block', 'shared', 'warp']);
    expect(variants(64, 'float32')).toEqual(['64-queries', '16-queries']);
  });
});

describe('dense attention', () => {
  const problem = (queries: number): DenseAttentionProblem => ({
    op: 'dense-attention',
    ...{ batch: 1, heads: 12, queries, keys: 8192, headDim: 64, layout: 'tokens-first', scale: 0.125 },
    ...{ mask: false, causal: false, dtype: 'float16' },
  });

  it('splits the keys where the tiles would leave multiprocessors idle', () => {
    const plan = planOf(problem(1), large);
    expect(kernelSteps(plan).map(({ kernel, grid }) => [kernel, grid])).toEqual([
      ['dense_attention_f16_64_64', [12, 11, 1]],
      ['merge_splits_f16', [3, 1, 1]],
    ]);
    expect(plan.buffers).toEqual({ partial: 4 * 12 * 11 * 68 });
    expect(planOf(problem(8192), large).steps.map(({ kernel }) => kernel)).toEqual(['dense_attention_f16_64_64']);
  });

  it('comes with other numbers of queries a block', () => {
    const kernels = (p: DenseAttentionProblem) =>
      variantsOf(p, large).map((variant) => planOf(p, large, variant).steps[0]!.kernel);
    expect(kernels(problem(8192))).toEqual(['dense_attention_f16_64_64', 'dense_attention_f16_128_64']);
    expect(kernels({ ...problem(8192), headDim: 256 })).toEqual([
      'dense_attention_f16_64_256',
      'dense_attention_f16_32_256',
    ]);
    expect(kernels({ ...problem(8192), dtype: 'float32' })).toEqual([
      'dense_attention_f32_64_64',
      'dense_attention_f32_32_64',
    ]);
  });
});

describe('linear', () => {
  const problem = (rows: number): LinearProblem => ({
    op: 'linear',
    ...{ rows, inFeatures: 3072, outFeatures: 768, bias: true, activation: 'gelu', dtype: 'float16' },
  });

  it('splits the inner dimension where the tiles would leave multiprocessors idle', () => {
    const plan = planOf(problem(1), large);
    expect(kernelSteps(plan).map(({ kernel, grid }) => [kernel, grid])).toEqual([
      ['linear_f16_64x64', [12, 11, 1]],
      ['merge_linear_f16', [3, 1, 1]],
    ]);
    expect(plan.buffers).toEqual({ partial: 4 * 11 * 768 });
    expect(variantsOf(problem(1), large)).toEqual(['split', '64x64', '128x128']);
    expect(variantsOf(problem(512), large)).toEqual(['64x64', '128x128']);
    expect(variantsOf(problem(8192), large)).toEqual(['128x128', '64x64']);
  });

  it('is cuBLASLt first where that does the product, with activations of our own that it lacks', () => {
    const stepsOf = (activation: Activation) =>
      planOf({ ...problem(512), activation }, withCublas).steps.map((step) => [
        step.kernel,
        'product' in step ? step.product.activation : step.grid[0],
      ]);
    expect(variantsOf(problem(512), withCublas)).toEqual(['cublas', '64x64', '128x128']);
    expect(stepsOf('gelu-tanh')).toEqual([['cublas_f16', 'gelu-tanh']]);
    expect(stepsOf('gelu')).toEqual([
      ['cublas_f16', 'none'],
      ['activate_f16', 384],
    ]);
    const [step] = planOf(problem(512), withCublas).steps;
    expect(step).toMatchObject({
      product: { rows: 512, inFeatures: 3072, outFeatures: 768, type: 'f16', bias: true },
    });
    expect(planOf(problem(512), withCublas).scratchBytes).toBe(2 ** 20);
    expect(variantsOf({ ...problem(0) }, withCublas)).not.toContain('cublas');
    expect(variantsOf(problem(512), { ...large, cublas: () => undefined })).not.toContain('cublas');
  });
});

it('more elements than kernels count are refused, with what would do', () => {
  const linear: LinearProblem = {
    op: 'linear',
    ...{ rows: 2 ** 20, inFeatures: 768, outFeatures: 3072, bias: false, activation: 'none' },
  };
  expect(refusal(linear, large)).toEqual({
    reason: "'output' has 3221225472 elements, and kernels count up to 2147483647",
    advice: 'run a smaller batch or a shorter input',
  });
});
