import { defineConfig } from 'vitest/config';

// On the GPU of this machine, one file after the other: they share it.
export default defineConfig({
  test: { include: ['test/cuda/*.test.ts'], fileParallelism: false, testTimeout: 60_000, hookTimeout: 60_000 },
});
