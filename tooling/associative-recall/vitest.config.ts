import { defineConfig } from 'vitest/config';

// What the tests measure on a busy machine must not be remembered for its user; and a busy machine may take its time.
export default defineConfig({ test: { env: { FLASHMLA_CACHE: '' }, testTimeout: 30_000 } });
