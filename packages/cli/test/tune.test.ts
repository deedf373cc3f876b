import type { Tuning } from '@flashmla/backend';
import { describe, expect, it } from 'vitest';
import { failureOf, flashmla, flashmlaJson, model, slow } from './support/cli.ts';

describe('flashmla tune', slow, () => {
  it('names the variants, what each took, and which is taken', async () => {
    const { stdout } = await flashmla('tune', '--model', model, '--tokens', '64', '--backend', 'cpu');
    expect(stdout).toMatch(/^cpu: .*\n\nop +variants +chosen +shape class\n/);
    expect(stdout).toMatch(
      /^linear +64x256 [\d.]+ ms, 32x128 [\d.]+ ms, 128x512 [\d.]+ ms +\d+x\d+ +activation=none .* rows=64$/m,
    );
  });

  it('prints one object as JSON', async () => {
    const tuned = await flashmlaJson<{ results: Tuning[] }>(
      'tune',
      '--model',
      model,
      '--tokens',
      '64,128',
      '--backend',
      'cpu',
    );
    expect(tuned).toMatchObject({ backend: 'cpu', device: expect.stringMatching(/thread/) });
    const first = tuned.results[0]!;
    expect(first).toMatchObject({ op: 'linear', shapeClass: expect.stringContaining('rows=64') });
    const variants = first.times.map(({ variant }) => variant);
    expect(variants).toEqual(['64x256', '32x128', '128x512']);
    expect(variants).toContain(first.chosen);
  });

  it('fails for lengths that are none', async () => {
    expect(await failureOf('tune', '--model', model, '--tokens', '64,x')).toMatch(/--tokens is 'x'/);
  });
});
