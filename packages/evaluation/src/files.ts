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
    throw unreadable(file, cause);
  }
}

/**
 * The lines of a file in UTF-8, read as they are asked for: a file may be larger than memory. Raises FlashMLAError
 * 'invalid-file' when it can't be read.
 */
export async function* readLines(file: string): AsyncGenerator<string, void> {
  const fs = nodeFs();
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let rest = '';
  try {
    const bytes: AsyncIterable<Uint8Array> = (await fs.open(file)).createReadStream();
    for await (const piece of bytes) {
      const [end, ...lines] = decoder.decode(piece, { stream: true }).split('\n') as [string, ...string[]];
      rest += end;
      if (lines.length === 0) continue;
      yield rest;
      rest = lines.pop()!;
      yield* lines;
    }
    rest += decoder.decode();
  } catch (cause) {
    throw unreadable(file, cause);
  }
  if (rest !== '') yield rest;
}

function unreadable(file: string, cause: unknown): Error {
  const code = (cause as NodeJS.ErrnoException).code;
  const problem =
    code === 'ENOENT'
      ? 'there is no such file'
      : code === 'ERR_ENCODING_INVALID_ENCODED_DATA'
        ? 'it is not UTF-8 text'
        : code === 'EISDIR'
          ? 'it is a folder'
          : (cause as Error).message;
  return invalidFile(`${file} can't be read: ${problem}. Give a readable text file.`, { cause });
}

/** The names in a folder; undefined for what is none. */
export async function listFolder(path: string): Promise<string[] | undefined> {
  return nodeFs()
    .readdir(path)
    .catch(() => undefined);
}
