// The provider as it is, over libcuda and libcublasLt in software (shim/).

import { beforeAll } from 'vitest';
import { openCublas } from '../../src/cublas.ts';
import { initialized, openLibrary } from '../../src/driver.ts';
import { providerOver } from '../../src/provider.ts';
import { compile } from './shim.ts';

export const softwareProvider = providerOver(
  async () => {
    const api = await openLibrary(compile());
    return typeof api === 'string' ? api : initialized(api);
  },
  async () => Uint8Array.of(0),
  () => openCublas(compile()),
);

/** Compiles it before the tests of a group, where its sources changed: that takes longer than a test may. */
export function compiledBefore(): void {
  beforeAll(() => void compile(), 300_000);
}
