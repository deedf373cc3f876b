// The fatbin that is published was built of exactly these sources, and holds what plans launch.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { conformanceCases } from '@flashmla/conformance';
import { expect, it } from 'vitest';
import { architectures, sourceHash } from '../build/sources.mjs';
import { planOf, variantsOf } from '../src/kernels/index.ts';
import { full, large, small, withCublas } from './support/traits.ts';

const file = (name: string) => new URL(`../fatbin/${name}`, import.meta.url);
const manifest = JSON.parse(readFileSync(file('manifest.json'), 'utf8')) as {
  sources: string;
  sha256: string;
  architectures: string[];
  kernels: string[];
};
const budget = JSON.parse(readFileSync(new URL('../build/budget.json', import.meta.url), 'utf8')) as Record<
  string,
  object
>;
const mend = 'run pnpm --filter @flashmla/kernels-cuda build:fatbin, which needs nvcc of CUDA 13';

it('is built of these sources', () => {
  expect(manifest.sources, `kernels/ changed since the fatbin was built; ${mend}`).toBe(sourceHash());
  expect(manifest.architectures).toEqual([...architectures.map((number) => `sm_${number}`), 'compute_80']);
});

it('is the one that the manifest tells of', () => {
  const sha256 = createHash('sha256')
    .update(readFileSync(file('flashmla.fatbin')))
    .digest('hex');
  expect(manifest.sha256, `fatbin/ holds files of different builds; ${mend}`).toBe(sha256);
});

it('holds every kernel that a plan launches, and no other', () => {
  const cases = conformanceCases().filter(({ mayRefuse }) => !mayRefuse);
  const launched = cases.flatMap(({ problem }) =>
    [full, large, small, withCublas].flatMap((traits) =>
      variantsOf(problem, traits).flatMap((variant) =>
        planOf(problem, traits, variant).steps.flatMap((step) => ('product' in step ? [] : [step.kernel])),
      ),
    ),
  );
  expect([...new Set(launched)].sort(), mend).toEqual(manifest.kernels);
});

it('has a budget of registers, spills and shared memory for each kernel on each architecture', () => {
  const compiled = architectures.map((number) => `sm_${number}`);
  expect(Object.keys(budget).sort()).toEqual(manifest.kernels);
  for (const [kernel, of] of Object.entries(budget)) expect(Object.keys(of), kernel).toEqual(compiled);
});
