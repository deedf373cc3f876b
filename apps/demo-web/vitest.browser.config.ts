import { defineConfig } from 'vitest/config';

// One file after another: each has a browser with threads of its own. What is slow here is only slow.
export default defineConfig({
  test: {
    include: ['test/browser/*.test.ts'],
    globalSetup: '@flashmla/browser-testing/find-chromium',
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
