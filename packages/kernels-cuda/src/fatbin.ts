// The kernels, compiled for every architecture: fatbin/ of this package, which build/build-fatbin.mjs makes.

import { FlashMLAError } from '@flashmla/tensor';

// Not written out where it is used: a bundler for browsers would take some megabytes for an asset of the page.
const path = '../fatbin/flashmla.fatbin';

/** @throws FlashMLAError 'backend-unavailable' when the file is not there */
export async function loadFatbin(): Promise<Uint8Array> {
  const { readFile } = globalThis.process.getBuiltinModule('node:fs/promises');
  try {
    return await readFile(new URL(path, import.meta.url));
  } catch (cause) {
    throw new FlashMLAError(
      'backend-unavailable',
      `[kernels-cuda] the kernels are not there: ${(cause as Error).message}. Install the package from npm, give 'fatbin' where a bundler took it apart, or build it (docs/cuda.md).`,
      { cause },
    );
  }
}
