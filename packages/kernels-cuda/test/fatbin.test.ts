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

it('holds every kernel that a plan launches', () => {
  const cases = conformanceCases().filter(({ mayRefuse }) => !mayRefuse);
  const launched = cases.flatMap(({ problem }) =>
    [full, large, small, withCublas].flatMap((traits) =>
      variantsOf(problem, traits).flatMap((variant) =>
        planOf(problem, traits, variant).steps.flatMap((step) => ('product' in step ? [] : [step.kernel])),
      ),
    ),
  );
  const missing = [...new Set(launched)].filter((kernel) => !manifest.kernels.includes(kernel));
  expect(missing, mend).toEqual([]);
});
