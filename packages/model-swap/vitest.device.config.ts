import { defineConfig } from 'vitest/config';

// On the device that Node finds. What is slow here is only slow: the device may be the CPU.
export default defineConfig({
  test: { include: ['test/device/*.test.ts'], testTimeout: 240_000, hookTimeout: 60_000 },
});
