// Where a model's files come from: a folder on the disk, a base URL, or memory. Files are opened by name and read by
// range, so that a weights file is never in memory whole unless it was given that way.

import type { ByteSource } from '@flashmla/tensor';
import { FlashMLAError } from '@flashmla/tensor';
import { givenFiles } from './given-files.ts';
import { httpFolder } from './http-folder.ts';
import { nodeFolder } from './node-folder.ts';

/**
 * The files of a model by name, e.g. `{ 'config.json': …, 'model.safetensors': …, 'tokenizer.json': … }`. A URL is
 * fetched, or read from the disk if it is a file: URL.
 */
export type ModelFiles = Readonly<Record<string, Uint8Array | Blob | URL | ByteSource>>;

export interface ModelFolder {
  /** For messages: the path, the URL, or words. */
  readonly name: string;
  /** The file's bytes; undefined when there is no such file. */
  open(fileName: string): Promise<ByteSource | undefined>;
}

/**
 * Where a model is: a folder's path or file: URL (where there is a file system), its http(s) URL (in browsers also a
 * relative one), or the files themselves.
 */
export type ModelSource = string | URL | ModelFiles;

export function openFolder(given: ModelSource, signal?: AbortSignal): ModelFolder {
  const source = given instanceof URL ? given.href : given;
  if (typeof source !== 'string') {
    if (typeof source !== 'object' || source === null) {
      throw new FlashMLAError(
        'invalid-argument',
        `[model-swap] the model source is ${String(source)}; expected a folder's path or URL, or a record of files.`,
      );
    }
    return givenFiles(source, signal);
  }
  if (/^https?:\/\//i.test(source)) return httpFolder(source, signal);
  const folder = nodeFolder(source);
  if (folder) return folder;
  const here = globalThis.location?.href;
  if (!here) {
    throw new FlashMLAError(
      'invalid-argument',
      `[model-swap] '${source}' can't be opened: there is no file system here. Give an http(s) URL or the files themselves.`,
    );
  }
  return httpFolder(new URL(source, here).href, signal);
}
