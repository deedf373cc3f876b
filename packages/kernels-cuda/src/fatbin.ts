// The kernels, compiled for every architecture: fatbin/ of this package, which build/build-fatbin.mjs makes.

import { FlashMLAError } from '@flashmla/tensor';

/** @throws FlashMLAError 'backend-unavailable' when the file is not there */
export async function loadFatbin(): Promise<Uint8Array> {
  const file = new URL('../fatbin/flashmla.fatbin', import.meta.url);
  try {
    const { readFile } = await import('node:fs/promises');
    return await readFile(file);
  } catch (cause) {
    throw new FlashMLAError(
      'backend-unavailable',
      `[kernels-cuda] the kernels are not there: ${(cause as Error).message}. Build them with 'pnpm build:fatbin' and nvcc, or install the package from npm.`,
      { cause },
    );
  }
}
