// Ends vitest's search for a configuration, which otherwise goes on above the checkout and takes what it finds there.
import { defineConfig } from 'vitest/config';

export default defineConfig({});
