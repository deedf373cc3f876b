import { defineConfig } from 'vitest/config';

// The machines this runs on may be small and busy; what is slow here is only slow.
export default defineConfig({ test: { testTimeout: 60_000, hookTimeout: 60_000 } });
