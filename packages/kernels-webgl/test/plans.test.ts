import { conformanceCases } from '@flashmla/conformance';
import { inputSpecs, outputSpecs, type Problem, trainingOpNames } from '@flashmla/tensor';
import { describe, expect, it } from 'vitest';
import { planOf } from '../dist/index.js';

const device = { maxTextureSize: 8192 };
/** Those of ops that this backend has. */
const cases = conformanceCases().filter(({ problem }) => !trainingOpNames.some((op) => op === problem.op));
const attention = {
  batch: 1,
  heads: 12,
  queries: 4096,
  keys: 4096,
  headDim: 64,
  layout: 'tokens-first',
  scale: 0.125,
  mask: false,
  causal: false,
} as const;
const lists = { slots: 64, tileQueries: 1, blockKeys: 1, keyOrder: true, queryOrder: false, residualGroup: 128 };

describe('planOf', () => {
  it('gives a pass of every shader all its arguments, by name, from tensors or earlier passes', () => {
    for (const { name, problem } of cases) {
      const known = new Set(['', ...Object.keys(inputSpecs(problem))]);
      for (const { shader, output, arguments: given } of planOf(problem, device).steps) {
        const parameters = shader.parameters.map((parameter) => parameter.name).sort();
        expect(Object.keys(given).sort(), `${name}: ${shader.name}`).toEqual(parameters);
        for (const { name: parameter, kind } of shader.parameters) {
          const value = given[parameter]!;
          expect(typeof value, `${name}: ${shader.name}: ${parameter}`).toBe(
            kind === 'sampler2D' ? 'string' : 'number',
          );
          if (typeof value === 'string') expect(known, `${name}: ${shader.name}: ${parameter}`).toContain(value);
        }
        known.add(output);
      }
    }
  });

  it('writes every output that has elements', () => {
    for (const { name, problem } of cases) {
      const written = planOf(problem, device).steps.map(({ output }) => output);
      for (const [output, { shape }] of Object.entries(outputSpecs(problem))) {
        if (shape.every((size) => size > 0)) expect(written, name).toContain(output);
      }
    }
  });

  it('never holds queries × keys in dense attention', () => {
    const bytes = (tokens: number) =>
      planOf({ op: 'dense-attention', ...attention, queries: tokens, keys: tokens }, device).scratchBytes;
    expect(bytes(65536) / bytes(8192)).toBeLessThan(8.01);
    expect(bytes(4096)).toBeLessThan(40 * 2 ** 20);
  });

  it('takes passes for chunks of keys, in which every key is once', () => {
    const { steps } = planOf({ op: 'dense-attention', ...attention, heads: 1, keys: 1100 }, device);
    const chunks = steps.filter(({ shader }) => shader.name === 'dense-attention-scores');
    expect(chunks.map(({ arguments: { first, chunk } }) => [first, chunk])).toEqual([
      [0, 512],
      [512, 512],
      [1024, 76],
    ]);
  });

  it('costs sparse attention by the lists, not by the length', () => {
    const work = (keys: number): number =>
      planOf({ op: 'sparse-attention', ...attention, keys, ...lists, residualGroup: keys / 32 }, device)
        .issuedMultiplyAdds;
    expect(work(16384) / work(4096)).toBeLessThan(1.1);
  });

  it('says how much of the work is useful', () => {
    const problems: Problem[] = [
      { op: 'linear', rows: 512, inFeatures: 768, outFeatures: 3072, bias: true, activation: 'gelu' },
      { op: 'dense-attention', ...attention },
      { op: 'sparse-attention', ...attention, ...lists },
    ];
    for (const problem of problems) {
      const { usefulMultiplyAdds, issuedMultiplyAdds } = planOf(problem, device);
      expect(usefulMultiplyAdds / issuedMultiplyAdds).toBeGreaterThan(0.98);
    }
  });
});
