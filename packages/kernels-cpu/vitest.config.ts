import { defineConfig } from 'vitest/config';

// V8 11 (Node 20) has relaxed SIMD behind a flag that later versions no longer know.
const relaxedSimd = process.versions.node.startsWith('20.') ? ['--experimental-wasm-relaxed-simd'] : [];

// The machines this runs on may be small and busy; what is slow here is only slow.
export default defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 60_000,
    execArgv: relaxedSimd,
    exclude: ['test/browser/**', 'node_modules/**'],
  },
});
