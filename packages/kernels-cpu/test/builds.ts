// The WASM builds that the conformance suite runs on.

import 'vitest';
import type { CpuOpenOptions } from '../src/index.ts';

export interface Build {
  readonly name: string;
  readonly options: CpuOpenOptions;
  readonly features: readonly string[];
}

export const builds: readonly Build[] = [
  {
    name: 'SIMD128, two threads',
    options: { threads: 2, relaxedSimd: false },
    features: ['simd128', 'threads', 'int8'],
  },
  {
    name: 'relaxed SIMD, two threads',
    options: { threads: 2 },
    features: ['simd128', 'relaxed-simd', 'threads', 'int8'],
  },
  {
    name: 'one worker without shared memory',
    options: { sharedMemory: false },
    features: ['simd128', 'int8'],
  },
];

declare module 'vitest' {
  interface ProvidedContext {
    /** The name of the only one that is to run; default: all run. */
    build: string | undefined;
  }
}
