// What the plans promise of shaders, for devices that nobody has here.

import { conformanceCases } from '@flashmla/conformance';
import type { LinearProblem, Problem, SparseAttentionProblem } from '@flashmla/tensor';
import { describe, expect, it } from 'vitest';
import { type GpuTraits, planOf, refusal, sourceOf, variantsOf, writesOf } from '../dist/index.js';

/** What every WebGPU device has. */
const traits = { features: new Set<string>(), limits: { maxStorageBufferBindingSize: 2 ** 27 } };
/** A device with all that plans look for. */
const ample = { ...traits, features: new Set(['subgroups', 'shader-f16']), subgroupSizes: { min: 32, max: 32 } };
const steps = conformanceCases()
  .filter(({ mayRefuse }) => !mayRefuse)
  .flatMap(({ problem }) => variantsOf(problem, ample).flatMap((variant) => planOf(problem, ample, variant).steps));
const shaders = new Map(steps.map((step) => [sourceOf(step.shader, step.constants, step.dtype), step]));

describe('shaders', () => {
  it('bind what their plans name, and no more than eight storage buffers', () => {
    for (const [source, { bindings, shader }] of shaders) {
      const writes = writesOf(source);
      expect(writes.length, shader).toBe(bindings.length);
      expect(writes.length, shader).toBeLessThanOrEqual(8);
      expect(writes, shader).toContain(true);
    }
  });

  it('are handed as many parameters as they declare', () => {
    for (const [source, { params, shader }] of shaders) {
      const struct = /struct Params \{([^}]*)\}/.exec(source)![1]!;
      expect(struct.match(/^ *\w+: \w+,/gm), shader).toHaveLength(params.length);
    }
  });

  it('never write what they also read', () => {
    for (const [source, { bindings, shader }] of shaders) {
      const written = bindings.filter((_, at) => writesOf(source)[at]);
      for (const name of written)
        expect(
          bindings.filter((other) => other === name),
          shader,
        ).toHaveLength(1);
    }
  });
});

const problemOfSparse = (tileQueries: number, blockKeys: number): SparseAttentionProblem => ({
  op: 'sparse-attention',
  ...{ batch: 1, heads: 12, queries: 4096, keys: 4096, headDim: 64, layout: 'tokens-first', scale: 0.125 },
  ...{ mask: false, causal: false, tileQueries, blockKeys, slots: 64 / blockKeys },
  ...{ keyOrder: true, queryOrder: true, residualGroup: 128 },
});

describe('variants', () => {
  const names = (problem: Problem, of: GpuTraits) => variantsOf(problem, of);
  const linear = (rows: number, inFeatures = 768): LinearProblem => ({
    ...{ op: 'linear', rows, inFeatures, outFeatures: 768, bias: true, activation: 'gelu' },
  });

  it('are by default what a GPU wants, and what a CPU wants where it computes', () => {
    expect(names(linear(512), traits)).toEqual(['staged', 'direct']);
    expect(names(linear(512), { ...traits, onCpu: true })).toEqual(['direct', 'staged']);
    expect(names(linear(8), traits)[0]).toBe('split');
    expect(names(linear(512, 769), traits)).toEqual(['scalar']);
  });

  it('use subgroups only where they are large enough', () => {
    const dense: Problem = {
      ...{ op: 'dense-attention', batch: 1, heads: 12, queries: 64, keys: 64, headDim: 64, layout: 'tokens-first' },
      ...{ scale: 0.125, mask: false, causal: false },
    };
    expect(names(dense, traits)).toEqual(['blocked', 'lanes']);
    expect(names(dense, ample)).toEqual(['blocked', 'blocked-subgroups', 'lanes']);
    expect(names(dense, { ...ample, subgroupSizes: { min: 4, max: 128 } })).toEqual(['blocked', 'lanes']);
    expect(names({ ...dense, headDim: 128 }, ample)).toEqual(['lanes']);
  });

  it('take no more workgroup memory than every device has', () => {
    for (const headDim of [4, 32, 64, 68, 128, 256]) {
      for (const variant of ['lanes', ...(headDim <= 64 ? ['blocked', 'blocked-subgroups'] : [])]) {
        const source = planOf(
          {
            ...{ op: 'sparse-attention', batch: 1, heads: 1, queries: 64, keys: 64, headDim, layout: 'tokens-first' },
            ...{ scale: 1, mask: false, causal: false, tileQueries: 16, blockKeys: 1, slots: 16 },
            ...{ keyOrder: false, queryOrder: false, residualGroup: 16 },
          },
          ample,
          variant,
        ).steps.at(-1)!.constants;
        const { ROWS, CHUNK } = source as { ROWS: number; CHUNK: number };
        const threads = variant === 'lanes' ? 0 : (ROWS / 4) * (CHUNK / 4);
        const words = (ROWS + CHUNK) * headDim + ROWS * CHUNK + 6 * CHUNK + ROWS + 4 * threads + 1;
        expect(4 * words, `${variant} ${headDim}`).toBeLessThanOrEqual(16384);
      }
    }
  });
});

describe('sparse attention', () => {
  it.each([
    [16, 1],
    [16, 16],
    [64, 64],
  ])('fills its tiles (%d, %d): compute density at least 0.9', (tileQueries, blockKeys) => {
    for (const variant of variantsOf(problemOfSparse(tileQueries, blockKeys), ample)) {
      const { usefulMultiplyAdds, issuedMultiplyAdds } = planOf(
        problemOfSparse(tileQueries, blockKeys),
        ample,
        variant,
      );
      expect(usefulMultiplyAdds / issuedMultiplyAdds, variant).toBeGreaterThanOrEqual(0.9);
    }
  });

  it('takes memory that grows with the length, not with its square', () => {
    const bytes = (tokens: number) =>
      planOf({ ...problemOfSparse(16, 16), queries: tokens, keys: tokens }, traits).scratchBytes;
    expect(bytes(32768) / bytes(8192)).toBeLessThan(4.1);
  });
});

describe('half precision', () => {
  const linear: LinearProblem = {
    op: 'linear',
    ...{ rows: 64, inFeatures: 768, outFeatures: 768, bias: true, activation: 'gelu', dtype: 'float16' },
  };

  it('is compiled from the same file, and enabled before anything else is declared', () => {
    const source = (dtype?: 'float16') => sourceOf('linear', {}, dtype);
    expect(source('float16')).toMatch(/^enable f16;\nalias element = f16;/);
    expect(source()).not.toContain('f16');
    const text = source().slice(source().indexOf('fn index_of'));
    expect(source('float16').endsWith(text)).toBe(true);
  });

  it('is refused where the device has no f16, with what would do', () => {
    expect(refusal(linear, ample)).toBeUndefined();
    expect(refusal(linear, traits)).toEqual({
      reason: "devices without the feature 'shader-f16' compute in float32, not in float16",
      advice: "use float32, or a backend whose device.features name 'float16' (WebGPU on most GPUs, CUDA)",
    });
  });

  it('in bfloat16 is refused everywhere: WGSL has no such type', () => {
    expect(refusal({ ...linear, dtype: 'bfloat16' }, ample)).toEqual({
      reason: 'WGSL shaders compute in float32 and float16, not in bfloat16',
      advice: "use float32, or a backend whose device.features name 'bfloat16' (native kernels in Node, CUDA)",
    });
  });

  it('halves what sparse attention keeps of keys and values', () => {
    const plan = (dtype: 'float32' | 'float16') => planOf({ ...problemOfSparse(16, 16), dtype }, ample);
    expect(plan('float16').buffers.rows).toBe(plan('float32').buffers.rows! / 2);
    expect(plan('float16').usefulMultiplyAdds).toBe(plan('float32').usefulMultiplyAdds);
  });
});

it('a tensor that the device can’t bind whole is refused, with what would do', () => {
  const linear: LinearProblem = {
    op: 'linear',
    ...{ rows: 2 ** 16, inFeatures: 768, outFeatures: 768, bias: false, activation: 'none' },
  };
  const refused = refusal(linear, traits);
  expect(refused).toEqual({
    reason: "'input' takes 201326592 bytes, and this device binds at most 134217728",
    advice: 'run a smaller batch or a shorter input',
  });
});
