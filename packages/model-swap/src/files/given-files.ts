// A model whose files the caller gives one by one: bytes, Blobs (a browser's file picker gives those), URLs (what a
// bundler makes of a file) or sources of its own.

import { type ByteSource, describeValue, FlashMLAError } from '@flashmla/tensor';
import { httpFile } from './http-folder.ts';
import { blobSource, bytesSource } from './memory-sources.ts';
import type { ModelFiles, ModelFolder } from './model-folder.ts';
import { nodeFile, nodeModules } from './node-folder.ts';

export function givenFiles(files: ModelFiles, signal?: AbortSignal): ModelFolder {
  return {
    name: 'the given files',
    async open(fileName) {
      const file = Object.hasOwn(files, fileName) ? files[fileName] : undefined;
      if (!file) return undefined;
      if (file instanceof Uint8Array) return bytesSource(file, fileName);
      if (file instanceof Blob) return blobSource(file, fileName);
      if (file instanceof URL) return fileAt(file, fileName, signal);
      if (typeof file.read === 'function' && Number.isSafeInteger(file.byteLength)) return file;
      throw new FlashMLAError(
        'invalid-argument',
        `[model-swap] the file ${fileName} is ${describeValue(file)}; expected a Uint8Array, a Blob, a URL or ` +
          '{ byteLength, read }.',
      );
    },
  };
}

/** A file that is given by its URL must be there, also one that a model can do without. */
async function fileAt(url: URL, fileName: string, signal: AbortSignal | undefined): Promise<ByteSource> {
  const node = url.protocol === 'file:' ? nodeModules() : undefined;
  const source = node ? await nodeFile(node.url.fileURLToPath(url), fileName) : await httpFile(url, signal);
  if (source) return source;
  throw new FlashMLAError(
    'invalid-file',
    `[model-swap] ${fileName}: there is no file at ${url.href}; check the address, or leave the file out.`,
  );
}
