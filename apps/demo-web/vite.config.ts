// How Vite serves and builds the page. The base is relative, so that the build works in any folder of any static host.

import { defineConfig } from 'vite';
import { contentSecurity } from './build/content-security.ts';
import { tolerateMissingBackends } from './build/missing-backends.ts';
import { offlineFiles } from './build/offline-files.ts';

/** Gives the page SharedArrayBuffer, and with it all cores. Where a host sends no headers, the service worker does. */
const headers = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

export default defineConfig({
  base: './',
  plugins: [tolerateMissingBackends(), contentSecurity(), offlineFiles()],
  server: { headers },
  preview: { headers },
  worker: { format: 'es', plugins: () => [tolerateMissingBackends()] },
  build: {
    target: 'es2022',
    // The model's config.json is small enough to be inlined, but the loader wants a file of that name.
    assetsInlineLimit: 0,
    rolldownOptions: {
      input: { index: 'index.html', 'service-worker': 'src/service-worker.ts' },
      output: {
        // A service worker must keep its name, and lie above what it serves.
        entryFileNames: ({ name }) => (name === 'service-worker' ? '[name].js' : 'assets/[name]-[hash].js'),
      },
    },
  },
});
