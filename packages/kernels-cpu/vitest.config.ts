import { defineConfig } from 'vitest/config';
import { builds } from './test/builds.ts';

// V8 11 (Node 20) has relaxed SIMD behind a flag that later versions no longer know.
const relaxedSimd = process.versions.node.startsWith('20.') ? ['--experimental-wasm-relaxed-simd'] : [];
const conformance = 'test/conformance.test.ts';

// The machines this runs on may be small and busy; what is slow here is only slow.
export default defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 60_000,
    execArgv: relaxedSimd,
    projects: [
      { extends: true, test: { name: 'package', exclude: [conformance, 'test/browser/**', 'node_modules/**'] } },
      // Most of the suite is its references, on one core: one build beside another.
      ...builds.map((build) => ({
        extends: true as const,
        test: { name: build.name, include: [conformance], provide: { build } },
      })),
    ],
  },
});
