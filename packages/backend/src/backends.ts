// The one list of backends, in rank order. A new backend package is one entry here, one line in optional-backends.d.ts
// and one optional peer in package.json; nothing else in the project names it.
//
// Each import is written out with a literal specifier, directly inside a try block: that is the form in which Vite,
// webpack and esbuild bundle a package that is installed and tolerate one that is not. Native code is kept out of bundles:
// Node imports it as the program runs, and a browser says that there is no such module.

import type { BackendName, BackendProvider } from '@flashmla/tensor';
import { type Unusable, unusable } from './unusable.ts';

export interface BackendEntry {
  readonly name: BackendName;
  readonly package: string;
  /** The package's provider, or why there is none. Never rejects. */
  load(): Promise<BackendProvider | Unusable>;
}

export const backends: readonly BackendEntry[] = [
  {
    name: 'cuda',
    package: '@flashmla/kernels-cuda',
    async load() {
      try {
        return (await import(/* webpackIgnore: true */ '@flashmla/kernels-cuda')).provider;
      } catch (error) {
        return unusable('@flashmla/kernels-cuda', error);
      }
    },
  },
  {
    name: 'webgpu',
    package: '@flashmla/kernels-webgpu',
    async load() {
      try {
        return (await import('@flashmla/kernels-webgpu')).provider;
      } catch (error) {
        return unusable('@flashmla/kernels-webgpu', error);
      }
    },
  },
  {
    name: 'native',
    package: '@flashmla/kernels-native',
    async load() {
      try {
        return (await import(/* webpackIgnore: true */ '@flashmla/kernels-native')).provider;
      } catch (error) {
        return unusable('@flashmla/kernels-native', error);
      }
    },
  },
  {
    name: 'webgl',
    package: '@flashmla/kernels-webgl',
    async load() {
      try {
        return (await import('@flashmla/kernels-webgl')).provider;
      } catch (error) {
        return unusable('@flashmla/kernels-webgl', error);
      }
    },
  },
  {
    name: 'cpu',
    package: '@flashmla/kernels-cpu',
    async load() {
      try {
        return (await import('@flashmla/kernels-cpu')).provider;
      } catch (error) {
        return unusable('@flashmla/kernels-cpu', error);
      }
    },
  },
];
