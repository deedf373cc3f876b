// Autotuning of the compiled variants, over libcuda in software: what is chosen there means nothing, that it is chosen, kept
// and taken does.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tune } from '@flashmla/backend';
import type { Problem } from '@flashmla/tensor';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { describeOnShim } from '../support/shim.ts';
import { compiledBefore, softwareProvider } from '../support/software-provider.ts';

const problems: Problem[] = [
  { op: 'linear', rows: 64, inFeatures: 64, outFeatures: 64, bias: true, activation: 'gelu', dtype: 'float16' },
  {
    op: 'dense-attention',
    ...{ batch: 1, heads: 1, queries: 128, keys: 128, headDim: 64, dtype: 'float16' },
    ...{ layout: 'tokens-first', scale: 0.125, mask: false, causal: false },
  },
];

describeOnShim('tuning over a driver in software', () => {
  compiledBefore();

  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'flashmla-tune-'));
    vi.stubEnv('FLASHMLA_CACHE', folder);
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(folder, { recursive: true, force: true });
  });

  it('times every variant of a shape class once, and prefers the fastest, or the standard where that is hardly slower', {
    timeout: 120_000,
  }, async () => {
    await using backend = await softwareProvider.open();
    const tuned = await tune(backend, problems);
    expect(tuned.map(({ op }) => op)).toEqual(['linear', 'dense-attention']);
    for (const [i, { times, chosen }] of tuned.entries()) {
      expect(times.map(({ variant }) => variant).sort()).toEqual([...backend.variants!(problems[i]!)].sort());
      expect(times.length).toBeGreaterThan(1);
      const fastest = times.reduce((a, b) =>
        (b.ms ?? Number.POSITIVE_INFINITY) < (a.ms ?? Number.POSITIVE_INFINITY) ? b : a,
      );
      const standard = times.find(({ variant }) => variant === backend.variants!(problems[i]!)[0])!;
      const expected = fastest.ms! <= 0.95 * standard.ms! ? fastest : standard;
      expect(chosen).toBe(expected.variant);
    }
    // A second time nothing is measured: the answer is the one that was kept.
    expect(await tune(backend, problems)).toEqual(tuned);
    expect(backend.memory().usedBytes).toBe(0);
  });
});
