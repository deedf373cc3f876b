import { defineConfig } from 'vitest/config';

// One file after another: a bundler and a browser use every core by themselves. What is slow here is only slow.
export default defineConfig({
  test: {
    include: ['test/*.test.ts'],
    globalSetup: ['./support/pack.ts', '@flashmla/browser-testing/find-chromium'],
    fileParallelism: false,
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
