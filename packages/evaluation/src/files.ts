// Files on a disk, where there is one: Node, Deno and Bun give `process.getBuiltinModule`, browsers do not.

import { FlashMLAError } from '@flashmla/tensor';
import { invalidFile } from './errors.ts';

function nodeFs() {
  const fs = globalThis.process?.getBuiltinModule?.('node:fs').promises;
  if (fs) return fs;
  throw new FlashMLAError(
    'unsupported',
    '[evaluation] there are no files here; parse texts with parseJsonl or parseGlueTsv instead.',
  );
}

/** The text of a file in UTF-8. Raises FlashMLAError 'invalid-file' when it can't be read. */
export async function readTextFile(file: string): Promise<string> {
  const fs = nodeFs();
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await fs.readFile(file));
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    const problem =
      code === 'ENOENT'
        ? 'there is no such file'
        : code === 'ERR_ENCODING_INVALID_ENCODED_DATA'
          ? 'it is not UTF-8 text'
          : code === 'EISDIR'
            ? 'it is a folder'
            : (cause as Error).message;
    throw invalidFile(`${file} can't be read: ${problem}. Give a readable text file.`, { cause });
  }
}

/** The names in a folder; undefined for what is none. */
export async function listFolder(path: string): Promise<string[] | undefined> {
  return nodeFs()
    .readdir(path)
    .catch(() => undefined);
}
