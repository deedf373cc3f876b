import { defineConfig } from 'vitest/config';

// Measurements of a test run are nobody's to keep.
export default defineConfig({ test: { env: { FLASHMLA_CACHE: '' } } });
