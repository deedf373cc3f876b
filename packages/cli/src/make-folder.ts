// The folder that a command writes to.

import { mkdir } from 'node:fs/promises';
import { badInput } from './errors.ts';

/** Makes the folder that --out names, unless it is there. */
export async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (cause) {
    throw badInput(`--out ${folder} can't be made: ${(cause as Error).message}. Name a folder you may write to.`, {
      cause,
    });
  }
}
