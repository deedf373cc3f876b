import { defineConfig } from 'vitest/config';
import { platforms } from './build/architectures.mjs';

const conformance = 'test/conformance.test.ts';
const platform = `${process.platform}-${process.arch}`;
const { architectures } = platforms[platform] ?? { architectures: { none: [] } };

// The machines this runs on may be small and busy; what is slow here is only slow.
export default defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 60_000,
    projects: [
      { extends: true, test: { name: 'package', exclude: [conformance, 'node_modules/**'] } },
      // Most of the suite is its references, on one core: one architecture beside another.
      ...Object.keys(architectures).map((architecture) => ({
        extends: true,
        test: { name: architecture, include: [conformance], provide: { architecture } },
      })),
    ],
  },
});
