// What the plans promise of shaders, for devices that nobody has here.

import { conformanceCases } from '@flashmla/conformance';
import type { LinearProblem, SparseAttentionProblem } from '@flashmla/tensor';
import { describe, expect, it } from 'vitest';
import { planOf, refusal, sourceOf, writesOf } from '../dist/index.js';

/** What every WebGPU device has. */
const traits = { features: new Set<string>(), limits: { maxStorageBufferBindingSize: 2 ** 27 } };
const steps = conformanceCases()
  .filter(({ mayRefuse }) => !mayRefuse)
  .flatMap(({ problem }) => planOf(problem, traits).steps);
const shaders = new Map(steps.map((step) => [sourceOf(step.shader, step.constants), step]));

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

describe('sparse attention', () => {
  const problem = (tileQueries: number, blockKeys: number): SparseAttentionProblem => ({
    op: 'sparse-attention',
    ...{ batch: 1, heads: 12, queries: 4096, keys: 4096, headDim: 64, layout: 'tokens-first', scale: 0.125 },
    ...{ mask: false, causal: false, tileQueries, blockKeys, slots: 64 / blockKeys },
    ...{ keyOrder: true, queryOrder: true, residualGroup: 128 },
  });

  it.each([
    [16, 1],
    [16, 16],
    [64, 64],
  ])('fills its tiles (%d, %d): compute density at least 0.9', (tileQueries, blockKeys) => {
    const { usefulMultiplyAdds, issuedMultiplyAdds } = planOf(problem(tileQueries, blockKeys), traits);
    expect(usefulMultiplyAdds / issuedMultiplyAdds).toBeGreaterThanOrEqual(0.9);
  });

  it('takes memory that grows with the length, not with its square', () => {
    const bytes = (tokens: number) =>
      planOf({ ...problem(16, 16), queries: tokens, keys: tokens }, traits).scratchBytes;
    expect(bytes(32768) / bytes(8192)).toBeLessThan(4.1);
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
