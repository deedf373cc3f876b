// Files that are there as a whole or not at all.

import { randomUUID } from 'node:crypto';
import { rename, rm, writeFile } from 'node:fs/promises';
import { badInput } from './errors.ts';

/** Writes beside `file` first; only what is complete takes its name. */
export async function writeWhole(file: string, content: string | Uint8Array): Promise<void> {
  const draft = `${file}.${randomUUID()}`;
  try {
    await writeFile(draft, content);
    await rename(draft, file);
  } catch (cause) {
    await rm(draft, { force: true });
    throw badInput(
      `${file} can't be written: ${(cause as Error).message}. Name a file in a folder that you may write to.`,
      {
        cause,
      },
    );
  }
}
