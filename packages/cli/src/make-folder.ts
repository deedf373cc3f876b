// The folder that a command writes to.

import { mkdir } from 'node:fs/promises';
import { badInput } from './errors.ts';

/**
 * Makes a folder, unless it is there.
 *
 * @param named what names it, for messages
 */
export async function makeFolder(folder: string, named = '--out'): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (cause) {
    throw badInput(`${named} ${folder} can't be made: ${(cause as Error).message}. Name a folder you may write to.`, {
      cause,
    });
  }
}
