// A folder on the disk, where there is one: Node, Deno and Bun give `process.getBuiltinModule`, browsers do not.

import { type ByteSource, FlashMLAError } from '@flashmla/tensor';
import type { ModelFolder } from './model-folder.ts';

/** Node's fs, path and url modules; undefined where there are none. */
export function nodeModules() {
  const load = globalThis.process?.getBuiltinModule;
  const fs = load?.('node:fs');
  return fs && { fs: fs.promises, path: load('node:path'), url: load('node:url') };
}

/** The folder at `location` (a path or a file: URL); undefined where there is no file system. */
export function nodeFolder(location: string): ModelFolder | undefined {
  const node = nodeModules();
  if (!node) return undefined;
  const { path, url } = node;
  const directory = location.startsWith('file:') ? url.fileURLToPath(location) : location;
  return { name: directory, open: (fileName) => nodeFile(path.join(directory, fileName), fileName) };
}

/** The file at `path`, which is the model's `fileName`; undefined when there is none. Assumes a file system. */
export async function nodeFile(path: string, fileName: string): Promise<ByteSource | undefined> {
  const { fs } = nodeModules()!;
  const stat = await fs.stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw new FlashMLAError('invalid-file', `[model-swap] ${path} can't be read: ${error.message}.`, { cause: error });
  });
  if (!stat) return undefined;
  if (!stat.isFile()) {
    throw new FlashMLAError('invalid-file', `[model-swap] ${path} is not a file; expected the model's ${fileName}.`);
  }
  return {
    name: path,
    byteLength: stat.size,
    // Opened for each read: a source then has nothing to close, and an open costs nothing beside reading a tensor.
    async read(offset, byteLength) {
      const handle = await fs.open(path, 'r');
      try {
        const bytes = new Uint8Array(byteLength);
        let filled = 0;
        while (filled < byteLength) {
          const length = Math.min(byteLength - filled, LONGEST_READ);
          const { bytesRead } = await handle.read(bytes, filled, length, offset + filled);
          if (bytesRead === 0) break;
          filled += bytesRead;
        }
        return bytes.subarray(0, filled);
      } finally {
        await handle.close();
      }
    },
  };
}

/** Bytes of one read call; Node takes at most 2^31 − 1. */
const LONGEST_READ = 2 ** 30;
